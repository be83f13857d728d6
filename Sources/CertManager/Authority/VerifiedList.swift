// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import Glibc
import SwiftASN1
import X509

/// Another authority's list of revoked certificates (RFC 5280 §5), whose signature was checked.
struct VerifiedList: Sendable {
  let revoked: Set<[UInt8]>
  /// By then there is a newer one.
  let nextUpdate: Date

  /// - Parameter issuer: who has to have signed it.
  /// - Throws: where it is none, or somebody else's.
  init(_ bytes: [UInt8], issuer: Certificate) throws {
    let (tbs, algorithm, signature) = try DER.sequence(try DER.parse(bytes), identifier: .sequence) { nodes in
      guard let tbs = nodes.next(), let algorithm = nodes.next() else {
        throw ASN1Error.invalidASN1Object(reason: "no list")
      }
      return (tbs, Array(algorithm.encodedBytes), try ASN1BitString(derEncoded: &nodes))
    }
    guard let kind = KeyKind(issuer.publicKey), algorithm == (try Self.encoded(kind)), signature.paddingBits == 0,
      issuer.publicKey.isValidSignature(signature.bytes, for: tbs.encodedBytes, signatureAlgorithm: kind.algorithm)
    else { throw CertificateProblem.unusable("the list of revoked certificates is not signed by the intermediate") }
    (revoked, nextUpdate) = try DER.sequence(tbs, identifier: .sequence) { nodes in
      var revoked: Set<[UInt8]> = []
      var times: [Date] = []
      while let node = nodes.next() {
        if let time = try Self.date(node) {
          times.append(time)
        } else if times.count == 2, node.identifier == .sequence {
          for one in try DER.sequence(of: Element.self, identifier: .sequence, rootNode: node) {
            revoked.insert(one.serial)
          }
        } else if !times.isEmpty {
          break
        }
      }
      // The rest is extensions.
      while nodes.next() != nil {}
      guard times.count == 2 else { throw ASN1Error.invalidASN1Object(reason: "a list without the time of the next") }
      return (revoked, times[1])
    }
  }

  func contains(_ serial: Certificate.SerialNumber) -> Bool { revoked.contains(Array(serial.bytes)) }

  /// What stands outside the signed part is as it has to be, and nothing else (RFC 5280 §5.1.1.2).
  private static func encoded(_ kind: KeyKind) throws -> [UInt8] {
    var coder = DER.Serializer()
    try kind.serializeAlgorithm(into: &coder)
    return coder.serializedBytes
  }

  private static func date(_ node: ASN1Node) throws -> Date? {
    var time = tm()
    func set(_ year: Int, _ month: Int, _ day: Int, _ hours: Int, _ minutes: Int, _ seconds: Int) {
      time.tm_year = Int32(year - 1900)
      time.tm_mon = Int32(month - 1)
      (time.tm_mday, time.tm_hour) = (Int32(day), Int32(hours))
      (time.tm_min, time.tm_sec) = (Int32(minutes), Int32(seconds))
    }
    switch node.identifier {
    case .utcTime:
      let value = try UTCTime(derEncoded: node)
      set(value.year, value.month, value.day, value.hours, value.minutes, value.seconds)
    case .generalizedTime:
      let value = try GeneralizedTime(derEncoded: node)
      set(value.year, value.month, value.day, value.hours, value.minutes, value.seconds)
    default: return nil
    }
    return Date(timeIntervalSince1970: TimeInterval(timegm(&time)))
  }

  private struct Element: DERParseable {
    let serial: [UInt8]

    init(derEncoded node: ASN1Node) throws {
      serial = try DER.sequence(node, identifier: .sequence) { nodes in
        let bytes = try ArraySlice<UInt8>(derEncoded: &nodes)
        while nodes.next() != nil {}
        return Array(Certificate.SerialNumber(bytes: bytes).bytes)
      }
    }
  }
}
