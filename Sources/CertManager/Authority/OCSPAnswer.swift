// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import SwiftASN1
import X509

/// Answers about single certificates, signed by their issuer (RFC 6960 §4.2).
extension CertificateAuthority {
  public enum CertificateState: Sendable, Hashable {
    case good
    case revoked(Date, RevocationReason)
    /// Never issued here.
    case unknown
  }

  private static let malformed: UInt8 = 1
  private static let internalError: UInt8 = 2

  /// - Parameter life: seconds after which there is newer information.
  public func ocspAnswer(
    to request: [UInt8], now: Date = Date(), life: TimeInterval = 300,
    state: (Certificate.SerialNumber) throws -> CertificateState
  ) -> [UInt8] {
    let question: OCSPQuestion
    do {
      question = try OCSPQuestion(request)
    } catch {
      return Self.failure(Self.malformed)
    }
    do {
      return try answer(to: question, now: now, life: life, state: state)
    } catch {
      return Self.failure(Self.internalError)
    }
  }

  /// True where a request is about a certificate of this intermediate.
  func isAskedAbout(in request: [UInt8]) -> Bool {
    guard let question = try? OCSPQuestion(request) else { return false }
    return question.subjects.contains { (try? isOurs($0)) ?? false }
  }

  private static func failure(_ code: UInt8) -> [UInt8] { [0x30, 3, 0x0a, 1, code] }

  private func answer(
    to question: OCSPQuestion, now: Date, life: TimeInterval,
    state: (Certificate.SerialNumber) throws -> CertificateState
  ) throws -> [UInt8] {
    var data = DER.Serializer()
    try data.appendConstructedNode(identifier: .sequence) { data in
      // responderID by name.
      try data.appendConstructedNode(identifier: Self.tag(1)) { try $0.serialize(intermediate.subject) }
      try Self.serializeGeneralized(now, into: &data)
      try data.appendConstructedNode(identifier: .sequence) { list in
        for subject in question.subjects {
          let found = try isOurs(subject) ? state(subject.serial) : .unknown
          try list.appendConstructedNode(identifier: .sequence) { one in
            try one.serialize(subject.node)
            try Self.serialize(found, into: &one)
            try Self.serializeGeneralized(now, into: &one)
            try one.appendConstructedNode(identifier: Self.tag(0)) {
              try Self.serializeGeneralized(now + life, into: &$0)
            }
          }
        }
      }
      if let nonce = question.nonce {
        try data.appendConstructedNode(identifier: Self.tag(1)) { extensions in
          try extensions.appendConstructedNode(identifier: .sequence) { try $0.serialize(nonce) }
        }
      }
    }
    var basic = DER.Serializer()
    try basic.appendConstructedNode(identifier: .sequence) { basic in
      try signed(data.serializedBytes, into: &basic)
      try basic.appendConstructedNode(identifier: Self.tag(0)) { certificates in
        try certificates.appendConstructedNode(identifier: .sequence) { try $0.serialize(intermediate) }
      }
    }
    var coder = DER.Serializer()
    try coder.appendConstructedNode(identifier: .sequence) { coder in
      coder.appendPrimitiveNode(identifier: .enumerated) { $0.append(0) }
      try coder.appendConstructedNode(identifier: Self.tag(0)) { coder in
        try coder.appendConstructedNode(identifier: .sequence) { coder in
          try coder.serialize(ObjectIdentifiers.ocspBasic)
          try coder.serialize(ASN1OctetString(contentBytes: basic.serializedBytes[...]))
        }
      }
    }
    return coder.serializedBytes
  }

  private static func tag(_ number: UInt) -> ASN1Identifier { .init(tagWithNumber: number, tagClass: .contextSpecific) }

  /// The issuer that is meant is the intermediate.
  private func isOurs(_ subject: OCSPQuestion.Subject) throws -> Bool {
    var name = DER.Serializer()
    try name.serialize(intermediate.subject)
    let key = try Self.keyBits(intermediate.publicKey)
    switch subject.hash {
    case ObjectIdentifiers.sha1:
      return Array(Insecure.SHA1.hash(data: name.serializedBytes)) == Array(subject.nameHash)
        && Array(Insecure.SHA1.hash(data: key)) == Array(subject.keyHash)
    case ObjectIdentifiers.sha256:
      return Array(SHA256.hash(data: name.serializedBytes)) == Array(subject.nameHash)
        && Array(SHA256.hash(data: key)) == Array(subject.keyHash)
    default: return false
    }
  }

  /// The bit string of a `SubjectPublicKeyInfo` without its count of unused bits (RFC 6960 §4.1.1).
  private static func keyBits(_ key: Certificate.PublicKey) throws -> [UInt8] {
    var coder = DER.Serializer()
    try coder.serialize(key)
    return try DER.sequence(try DER.parse(coder.serializedBytes), identifier: .sequence) { nodes in
      _ = nodes.next()
      return Array(try ASN1BitString(derEncoded: &nodes).bytes)
    }
  }

  private static func serialize(_ state: CertificateState, into coder: inout DER.Serializer) throws {
    switch state {
    case .good: coder.appendPrimitiveNode(identifier: tag(0)) { _ in }
    case .unknown: coder.appendPrimitiveNode(identifier: tag(2)) { _ in }
    case .revoked(let date, let reason):
      try coder.appendConstructedNode(identifier: tag(1)) { coder in
        try serializeGeneralized(date, into: &coder)
        guard reason != .unspecified else { return }
        coder.appendConstructedNode(identifier: tag(0)) { coder in
          coder.appendPrimitiveNode(identifier: .enumerated) { $0.append(UInt8(reason.rawValue)) }
        }
      }
    }
  }
}
