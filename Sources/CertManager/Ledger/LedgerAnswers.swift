// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Crypto
import Foundation
import SwiftASN1
import X509

/// What was answered lately: an answer that is lost on its way must neither lose a certificate nor make a second one.
extension Ledger {
  /// For so many seconds an answer can be asked for again.
  static let answerLife: TimeInterval = 3600

  func keepAnswer(_ database: Database, _ certificate: Certificate, _ agent: String, _ now: Date) throws {
    try database.run("DELETE FROM answers WHERE time < ?", .integer(Self.seconds(now - Self.answerLife)))
    try database.run(
      "INSERT OR REPLACE INTO answers (key, agent, certificate, time) VALUES (?, ?, ?, ?)",
      .blob(try Self.fingerprint(of: certificate.publicKey)), .text(agent), .blob(try Self.encoded(certificate)),
      .integer(Self.seconds(now)))
  }

  /// The certificate that an agent was given lately for a key; `nil` where there is none that is still good.
  ///
  /// - Parameter key: whoever asks has proved to have it.
  func answer(to agent: String, for key: Certificate.PublicKey, now: Date) throws -> Certificate? {
    let fingerprint = try Self.fingerprint(of: key)
    return try writer.commit { [self] database in
      let rows = try database.run(
        "SELECT certificate FROM answers WHERE key = ? AND agent = ?", .blob(fingerprint), .text(agent))
      return try answered(database, rows.first?[0].blob, now)
    }
  }

  /// What was handed out; `nil` where it is of no use any more.
  func answered(_ database: Database, _ encoded: [UInt8]?, _ now: Date) throws -> Certificate? {
    guard let encoded, let certificate = try? Certificate(derEncoded: encoded), certificate.notValidAfter > now else {
      return nil
    }
    let serial = Self.hexadecimal(certificate.serialNumber)
    let rows = try database.run("SELECT revoked FROM certificates WHERE serial = ?", .text(serial))
    guard rows.first?[0] == .null else { return nil }
    try log(database, "handed out again", ["serial": serial], now)
    return certificate
  }

  /// SHA-256 of the `SubjectPublicKeyInfo`.
  static func fingerprint(of key: Certificate.PublicKey) throws -> [UInt8] {
    var coder = DER.Serializer()
    try coder.serialize(key)
    return Array(SHA256.hash(data: coder.serializedBytes))
  }

  /// DER.
  static func encoded(_ certificate: Certificate) throws -> [UInt8] {
    var coder = DER.Serializer()
    try coder.serialize(certificate)
    return coder.serializedBytes
  }
}
