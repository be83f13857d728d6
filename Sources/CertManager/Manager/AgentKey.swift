// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import LinuxKernel
import X509

/// An agent's private key, in locked memory.
///
/// The libraries see it only while they work; theirs is BoringSSL's memory, which is wiped when it is freed.
final class AgentKey: Sendable {
  /// What can be an agent's; an authority's own can be RSA, too.
  static let kinds: [KeyKind] = [.p256, .ed25519]

  let kind: KeyKind
  let publicKey: Certificate.PublicKey
  /// 32 bytes: the scalar (RFC 5915), or the seed (RFC 8032).
  private let secret: LockedBytes
  /// As in the structure of the private key; empty for Ed25519.
  private let publicPoint: [UInt8]

  convenience init(_ kind: KeyKind) throws {
    guard Self.kinds.contains(kind) else {
      throw CertificateProblem.refused("an agent's key is \(Self.kinds.map(\.rawValue).joined(separator: " or "))")
    }
    var secret = try LockedBytes.random(32)
    // One in 2^32 is not below the order of the group.
    while kind == .p256, (try? secret.withBytes { try P256.Signing.PrivateKey(rawRepresentation: $0) }) == nil {
      secret = try LockedBytes.random(32)
    }
    try self.init(kind, secret: secret, count: 32)
  }

  /// One that was made before.
  ///
  /// - Parameter bytes: begins with the secret.
  init(_ kind: KeyKind, secret bytes: LockedBytes, count: Int) throws {
    let secret = try LockedBytes(count: count) { copy in
      bytes.withBytes { copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
    self.kind = kind
    self.secret = secret
    switch kind {
    case .p256:
      let key = try secret.withBytes { try P256.Signing.PrivateKey(rawRepresentation: $0) }
      publicKey = Certificate.PublicKey(key.publicKey)
      publicPoint = Array(key.publicKey.x963Representation)
    default:
      let key = try secret.withBytes { try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }
      publicKey = Certificate.PublicKey(key.publicKey)
      publicPoint = []
    }
  }

  func withSecret<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try secret.withBytes(body)
  }

  /// For the libraries; as short-lived as the call that needs it.
  func withPrivateKey<Result>(_ body: (Certificate.PrivateKey) throws -> Result) throws -> Result {
    try secret.withBytes { bytes in
      switch kind {
      case .p256: try body(Certificate.PrivateKey(try P256.Signing.PrivateKey(rawRepresentation: bytes)))
      default: try body(Certificate.PrivateKey(try Curve25519.Signing.PrivateKey(rawRepresentation: bytes)))
      }
    }
  }

  /// ECDSA with SHA-256 as DER (RFC 3279 §2.2.3), or Ed25519 (RFC 8032).
  func sign(_ data: [UInt8]) throws -> [UInt8] {
    try secret.withBytes { bytes in
      switch kind {
      case .p256:
        Array(try P256.Signing.PrivateKey(rawRepresentation: bytes).signature(for: data).derRepresentation)
      default: Array(try Curve25519.Signing.PrivateKey(rawRepresentation: bytes).signature(for: data))
      }
    }
  }

  /// The bytes around the secret in a `PrivateKeyInfo` (RFC 5208, RFC 5915, RFC 8410).
  private var frame: (before: [UInt8], after: [UInt8]) {
    switch kind {
    case .p256:
      (
        [
          0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
          0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
        ],
        [0xa1, 0x44, 0x03, 0x42, 0x00] + publicPoint
      )
    default:
      (
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20], []
      )
    }
  }

  /// A header, the key as PEM (RFC 7468), and what comes behind it, in locked memory.
  func payload(header: [UInt8], behind text: [UInt8]) throws -> LockedBytes {
    let (before, after) = frame
    let der = try LockedBytes(count: before.count + 32 + after.count) { der in
      der.copyBytes(from: before)
      secret.withBytes { UnsafeMutableRawBufferPointer(rebasing: der[before.count...]).copyMemory(from: $0) }
      UnsafeMutableRawBufferPointer(rebasing: der[(before.count + 32)...]).copyBytes(from: after)
    }
    let (opening, closing) = (Array("-----BEGIN PRIVATE KEY-----\n".utf8), Array("-----END PRIVATE KEY-----\n".utf8))
    let size = PEMText.size(of: der.count)
    return try LockedBytes(count: header.count + opening.count + size + closing.count + text.count) { bytes in
      var place = 0
      func add(_ part: [UInt8]) {
        UnsafeMutableRawBufferPointer(rebasing: bytes[place...]).copyBytes(from: part)
        place += part.count
      }
      add(header)
      add(opening)
      der.withBytes { PEMText.encode($0, into: UnsafeMutableRawBufferPointer(rebasing: bytes[place..<(place + size)])) }
      place += size
      add(closing)
      add(text)
    }
  }
}
