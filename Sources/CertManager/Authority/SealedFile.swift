// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import LinuxKernel

/// A secret in a file of its owner's (mode 0600), encrypted where there is a credential to do that with.
///
/// Encrypted it is the line `nodeagent-sealed-1`, 32 bytes of salt, and the secret by AES-256-GCM, whose key follows from the credential and
/// the salt (HKDF-SHA-256, RFC 5869). The credential is a file that systemd hands over (systemd.exec(5), `LoadCredentialEncrypted=`).
struct SealedFile: Sendable {
  /// At least 16 bytes.
  let credential: [UInt8]?

  private static let mark = Array("nodeagent-sealed-1\n".utf8)
  private static let saltSize = 32

  /// - Parameter path: of the credential; `nil` for none.
  init(credential path: String?) throws {
    guard let path else {
      credential = nil
      return
    }
    let bytes = try FileSystem.read(path)
    guard bytes.count >= 16 else {
      throw CertificateProblem.unusable("\(path) is no credential: it has less than 16 bytes")
    }
    credential = bytes
  }

  func write(_ secret: [UInt8], to path: String) throws {
    guard let credential else { return try FileSystem.replace(path, with: secret, mode: 0o600, durable: true) }
    let salt = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
    let box = try AES.GCM.seal(secret, using: Self.key(credential, salt), authenticating: Self.mark)
    guard let combined = box.combined else { throw CertificateProblem.unusable("\(path) cannot be encrypted") }
    try FileSystem.replace(path, with: Self.mark + salt + Array(combined), mode: 0o600, durable: true)
  }

  func read(_ path: String) throws -> [UInt8] {
    let status = try FileSystem.status(of: path)
    guard status.mode & 0o077 == 0 else {
      throw CertificateProblem.unusable("\(path) can be read by others; make it mode 0600")
    }
    let bytes = try FileSystem.read(path)
    guard bytes.starts(with: Self.mark) else { return bytes }
    guard let credential else {
      throw CertificateProblem.unusable("\(path) is encrypted; name the credential that it was encrypted with")
    }
    let rest = bytes.dropFirst(Self.mark.count)
    let salt = Array(rest.prefix(Self.saltSize))
    do {
      let box = try AES.GCM.SealedBox(combined: Data(rest.dropFirst(Self.saltSize)))
      return Array(try AES.GCM.open(box, using: Self.key(credential, salt), authenticating: Self.mark))
    } catch {
      throw CertificateProblem.unusable("\(path) cannot be decrypted: it has another credential, or was changed")
    }
  }

  private static func key(_ credential: [UInt8], _ salt: [UInt8]) -> SymmetricKey {
    HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: credential), salt: salt, info: mark, outputByteCount: 32)
  }
}
