// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CToken
import CertificateProfile
import Crypto
import Foundation
import SwiftASN1
import Synchronization
import X509

/// A hardware token, or something that behaves as one, by its PKCS #11 module: an authority's keys are made in it and never leave it.
final class KeyToken: Sendable {
  private struct Handle: @unchecked Sendable { let pointer: OpaquePointer }

  /// For one thread at a time.
  private let handle: Mutex<Handle>

  /// - Parameter uri: RFC 7512, with `module-path`, and the PIN by `pin-source` or `pin-value`.
  init(_ uri: String) throws(CertificateProblem) {
    var problem = [CChar](repeating: 0, count: 512)
    guard let pointer = ctoken_open(uri, &problem, problem.count) else {
      throw .unusable("the token cannot be used: \(Self.text(problem))")
    }
    handle = Mutex(Handle(pointer: pointer))
  }

  deinit { handle.withLock { ctoken_close($0.pointer) } }

  /// A new P-256 key in the token.
  func generate(_ label: String) throws -> TokenKey {
    try call { ctoken_generate($0, label, &$1, $1.count) }
    return try key(label)
  }

  func key(_ label: String) throws -> TokenKey {
    var point = [UInt8](repeating: 0, count: 65)
    try call { ctoken_public($0, label, &point, &$1, $1.count) }
    return TokenKey(token: self, label: label, point: try P256.Signing.PublicKey(x963Representation: point))
  }

  /// Takes a pair of keys out of the token for ever; one that is not there is what is wanted.
  func remove(_ label: String) throws { try call { ctoken_remove($0, label, &$1, $1.count) } }

  /// - Returns: r and s.
  func sign(_ hash: [UInt8], with label: String) throws -> [UInt8] {
    var signature = [UInt8](repeating: 0, count: 64)
    try call { ctoken_sign($0, label, hash, &signature, &$1, $1.count) }
    return signature
  }

  private func call(_ body: (OpaquePointer, inout [CChar]) -> Int32) throws(CertificateProblem) {
    var problem = [CChar](repeating: 0, count: 512)
    let result = handle.withLock { body($0.pointer, &problem) }
    guard result == 0 else { throw .unusable(Self.text(problem)) }
  }

  private static func text(_ bytes: [CChar]) -> String {
    String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// A key in a token.
struct TokenKey: CustomPrivateKey {
  let token: KeyToken
  let label: String
  let point: P256.Signing.PublicKey

  var publicKey: Certificate.PublicKey { Certificate.PublicKey(point) }
  var defaultSignatureAlgorithm: Certificate.SignatureAlgorithm { .ecdsaWithSHA256 }
  var supportedSignatureAlgorithms: [Certificate.SignatureAlgorithm] { [.ecdsaWithSHA256] }

  func signSynchronously(
    bytes: some DataProtocol, signatureAlgorithm: Certificate.SignatureAlgorithm
  ) throws -> Certificate.Signature {
    guard signatureAlgorithm == .ecdsaWithSHA256 else {
      throw CertificateProblem.unusable("the token's key signs by ECDSA with SHA-256 alone")
    }
    let raw = try token.sign(Array(SHA256.hash(data: Array(bytes))), with: label)
    let signature = try P256.Signing.ECDSASignature(rawRepresentation: raw)
    return try Certificate.Signature(
      signatureAlgorithm: signatureAlgorithm,
      signatureBytes: ASN1BitString(bytes: Array(signature.derRepresentation)[...]))
  }

  static var defaultPEMDiscriminator: String { "PRIVATE KEY" }

  func serializeAsPEM(discriminator: String) throws -> PEMDocument {
    throw CertificateProblem.unusable("a token does not give its keys away")
  }

  func serialize(into coder: inout DER.Serializer) throws {
    throw CertificateProblem.unusable("a token does not give its keys away")
  }

  static func == (left: TokenKey, right: TokenKey) -> Bool {
    left.label == right.label && left.point.rawRepresentation == right.point.rawRepresentation
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(label)
    hasher.combine(point.rawRepresentation)
  }
}
