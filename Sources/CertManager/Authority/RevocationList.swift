// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import SwiftASN1
import X509

/// Certificate revocation lists, version 2 (RFC 5280 §5).
extension CertificateAuthority {
  /// The list as DER.
  ///
  /// - Parameters:
  ///   - number: rises from list to list.
  ///   - life: seconds after which the next is expected.
  public func revocationList(
    _ revoked: [Revocation], number: Int, now: Date = Date(), life: TimeInterval = 3600
  ) throws -> [UInt8] {
    var list = DER.Serializer()
    try list.appendConstructedNode(identifier: .sequence) { list in
      try list.serialize(1)
      try kind.serializeAlgorithm(into: &list)
      try list.serialize(intermediate.subject)
      try Self.serialize(now, into: &list)
      try Self.serialize(now + life, into: &list)
      if !revoked.isEmpty {
        try list.appendConstructedNode(identifier: .sequence) { list in
          for one in revoked.sorted(by: { $0.date < $1.date }) { try Self.serialize(one, into: &list) }
        }
      }
      try list.appendConstructedNode(identifier: .init(tagWithNumber: 0, tagClass: .contextSpecific)) { list in
        try list.appendConstructedNode(identifier: .sequence) { list in
          var value = DER.Serializer()
          try value.serialize(number)
          try list.serialize(
            Certificate.Extension(
              AuthorityKeyIdentifier(keyIdentifier: keyIdentifier), critical: false))
          try list.serialize(
            Certificate.Extension(oid: ObjectIdentifiers.crlNumber, critical: false, value: value.serializedBytes[...]))
        }
      }
    }
    var coder = DER.Serializer()
    try coder.appendConstructedNode(identifier: .sequence) { coder in
      try signed(list.serializedBytes, into: &coder)
    }
    return coder.serializedBytes
  }

  private static func serialize(_ one: Revocation, into coder: inout DER.Serializer) throws {
    try coder.appendConstructedNode(identifier: .sequence) { coder in
      try coder.serialize(one.serial.bytes)
      try serialize(one.date, into: &coder)
      guard one.reason != .unspecified else { return }
      // ENUMERATED (RFC 5280 §5.3.1).
      var value = DER.Serializer()
      value.appendPrimitiveNode(identifier: .enumerated) { $0.append(UInt8(one.reason.rawValue)) }
      try coder.appendConstructedNode(identifier: .sequence) { coder in
        try coder.serialize(
          Certificate.Extension(oid: ObjectIdentifiers.reasonCode, critical: false, value: value.serializedBytes[...]))
      }
    }
  }

  /// `UTCTime` until 2049, `GeneralizedTime` after that (RFC 5280 §4.1.2.5).
  static func serialize(_ date: Date, into coder: inout DER.Serializer) throws {
    let (day, clock) = civil(date)
    if (1950..<2050).contains(day.year) {
      try coder.serialize(
        try UTCTime(
          year: day.year, month: day.month, day: day.day, hours: clock.hours, minutes: clock.minutes,
          seconds: clock.seconds))
    } else {
      try serializeGeneralized(date, into: &coder)
    }
  }

  static func serializeGeneralized(_ date: Date, into coder: inout DER.Serializer) throws {
    let (day, clock) = civil(date)
    try coder.serialize(
      try GeneralizedTime(
        year: day.year, month: day.month, day: day.day, hours: clock.hours, minutes: clock.minutes,
        seconds: clock.seconds, fractionalSeconds: 0))
  }

  /// Year, month, day and time of day of a moment, in UTC (days_from_civil turned around).
  static func civil(_ date: Date) -> (
    day: (year: Int, month: Int, day: Int), clock: (hours: Int, minutes: Int, seconds: Int)
  ) {
    let seconds = Int(date.timeIntervalSince1970.rounded(.down))
    let days = Int((Double(seconds) / 86400).rounded(.down))
    let rest = seconds - days * 86400
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (
      (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1),
      (rest / 3600, rest / 60 % 60, rest % 60)
    )
  }
}
