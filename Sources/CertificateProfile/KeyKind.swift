// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Crypto
import SwiftASN1
import X509
import _CryptoExtras

/// What a key is made with.
public enum KeyKind: String, Sendable, Hashable, Codable, CaseIterable {
  /// ECDSA on NIST P-256 with SHA-256.
  case p256
  case ed25519
  /// RSA with 2048 bits, PKCS #1 v1.5 signatures with SHA-256.
  case rsa2048 = "rsa-2048"

  public func generate() throws -> Certificate.PrivateKey {
    switch self {
    case .p256: Certificate.PrivateKey(P256.Signing.PrivateKey())
    case .ed25519: Certificate.PrivateKey(Curve25519.Signing.PrivateKey())
    case .rsa2048: Certificate.PrivateKey(try _RSA.Signing.PrivateKey(keySize: .bits2048))
    }
  }

  /// The kind of a public key; `nil` for one that is not in the profile.
  public init?(_ key: Certificate.PublicKey) {
    if P256.Signing.PublicKey(key) != nil {
      self = .p256
    } else if Curve25519.Signing.PublicKey(key) != nil {
      self = .ed25519
    } else if let rsa = _RSA.Signing.PublicKey(key), rsa.keySizeInBits == 2048 {
      self = .rsa2048
    } else {
      return nil
    }
  }

  package var algorithm: Certificate.SignatureAlgorithm {
    switch self {
    case .p256: .ecdsaWithSHA256
    case .ed25519: .ed25519
    case .rsa2048: .sha256WithRSAEncryption
    }
  }

  /// The `AlgorithmIdentifier` of ``algorithm`` (RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §5).
  package func serializeAlgorithm(into coder: inout DER.Serializer) throws {
    try coder.appendConstructedNode(identifier: .sequence) { coder in
      switch self {
      case .p256: try coder.serialize([1, 2, 840, 10045, 4, 3, 2] as ASN1ObjectIdentifier)
      case .ed25519: try coder.serialize([1, 3, 101, 112] as ASN1ObjectIdentifier)
      case .rsa2048:
        try coder.serialize([1, 2, 840, 113_549, 1, 1, 11] as ASN1ObjectIdentifier)
        try coder.serialize(ASN1Null())
      }
    }
  }
}
