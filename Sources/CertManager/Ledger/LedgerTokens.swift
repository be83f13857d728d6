// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import X509

/// The ledger's tokens: who may get a first certificate.
extension Ledger {
  /// Columns that came after the first version: the agent that the token was given to for its next boot, the agent that was made by it, and
  /// what was handed out then, for which key.
  static func addTokenColumns(_ database: Database) throws {
    let known = Set(try database.run("SELECT name FROM pragma_table_info('tokens')").compactMap { $0[0].text })
    for (name, type) in [("holder", "TEXT"), ("redeemer", "TEXT"), ("key", "BLOB"), ("certificate", "BLOB")]
    where !known.contains(name) {
      try database.run("ALTER TABLE tokens ADD COLUMN \(name) \(type)")
    }
    for name in ["holder", "redeemer"] {
      try database.run("CREATE INDEX IF NOT EXISTS tokens_\(name) ON tokens (\(name)) WHERE \(name) IS NOT NULL")
    }
  }

  /// - Parameter life: seconds.
  public func makeToken(_ grant: TokenGrant, life: TimeInterval, now: Date = Date()) throws -> BootstrapToken {
    let token = BootstrapToken()
    try writer.commit { [self] database in try add(database, token, grant, life: life, holder: nil, now) }
    return token
  }

  private func add(
    _ database: Database, _ token: BootstrapToken, _ grant: TokenGrant, life: TimeInterval, holder: String?, _ now: Date
  ) throws {
    // Those that nobody can use any more are of no use to anybody.
    try database.run("DELETE FROM tokens WHERE expires < ?", .integer(Self.seconds(now) - 30 * 86400))
    let expected = try Self.text(grant)
    try database.run(
      "INSERT INTO tokens (hash, expected, expires, holder) VALUES (?, ?, ?, ?)", .blob(token.hash), .text(expected),
      .integer(Self.seconds(now + life)), holder.map { .text($0) } ?? .null)
    try log(
      database, "token made", ["expected": expected].merging(holder.map { ["for": $0] } ?? [:]) { $1 }, now)
  }

  /// A token for an agent's next boot, where what it was taken in by says that it may have one.
  ///
  /// The newest one before it stays good, since it is what the agent has when this one is lost on its way. Older ones are void.
  ///
  /// - Parameter agent: has proved to be that agent.
  public func nextToken(for agent: String, now: Date = Date()) throws -> BootstrapToken? {
    let token = BootstrapToken()
    let isMade = try writer.commit { [self] database in
      let known = try database.run(
        "SELECT expected FROM tokens WHERE holder = ? OR redeemer = ? ORDER BY expires DESC LIMIT 1", .text(agent),
        .text(agent))
      guard let row = known.first else { return false }
      let grant = try Self.decode(TokenGrant.self, row[0])
      guard let life = grant.afterBoot else { return false }
      try database.run(
        """
        DELETE FROM tokens WHERE holder = ?1 AND used IS NULL
        AND hash <> (SELECT hash FROM tokens WHERE holder = ?1 AND used IS NULL ORDER BY expires DESC, hash LIMIT 1)
        """, .text(agent))
      try add(database, token, grant, life: life, holder: agent, now)
      return true
    }
    return isMade ? token : nil
  }

  /// Uses a token up and issues what it is good for, both or neither. Of several at the same time one succeeds.
  ///
  /// - Parameters:
  ///   - key: what is to be certified; its holder has proved to have it.
  ///   - isAgain: an answer was lost on its way. A token that this very key was certified for gives the same certificate once more; nothing is
  ///     issued by that.
  public func redeem(
    _ token: BootstrapToken, for key: Certificate.PublicKey, isAgain: Bool = false, now: Date = Date(),
    issue: @escaping @Sendable (TokenGrant) throws -> (Certificate, AgentIdentity)
  ) throws -> Certificate {
    do {
      let hash = try Self.fingerprint(of: key)
      return try writer.commit { [self] database in
        let rows = try database.run(
          "SELECT expected, expires, used, holder, redeemer, key, certificate FROM tokens WHERE hash = ?",
          .blob(token.hash))
        guard let row = rows.first, let expected = row[0].text, let expires = row[1].integer else {
          throw CertificateProblem.refused("the token is not known here; nodeagent ca token makes one")
        }
        if let used = row[2].integer {
          if isAgain, row[5].blob == hash, let certificate = try answered(database, row[6].blob, now) {
            return certificate
          }
          throw CertificateProblem.refused(
            "the token was used already\(row[4].text.map { ", at \(Self.date(used)) by the agent \($0)" } ?? "")")
        }
        guard expires > Self.seconds(now) else { throw CertificateProblem.refused("the token is too old") }
        if let holder = row[3].text { try checkNotRevoked(database, holder) }
        let grant = try JSONText.decode(TokenGrant.self, expected.utf8)
        let (certificate, identity) = try issue(grant)
        try database.run(
          "UPDATE tokens SET used = ?, redeemer = ?, key = ?, certificate = ? WHERE hash = ?",
          .integer(Self.seconds(now)),
          .text(identity.agent), .blob(hash), .blob(try Self.encoded(certificate)), .blob(token.hash))
        if let holder = row[3].text { try end(database, holder, now) }
        try record(database, certificate, identity, grant.capabilities, "issued", now)
        if let callBack = grant.callBack {
          try database.run(
            "INSERT INTO callbacks (serial, endpoint, until) VALUES (?, ?, ?)",
            .text(Self.hexadecimal(certificate.serialNumber)), .text(callBack.endpoint),
            .integer(Self.seconds(now + callBack.seconds)))
        }
        return certificate
      }
    } catch let problem as CertificateProblem {
      try refuse("token", problem, now)
      throw problem
    }
  }

  /// Whose certificate was ever taken away, other than for a next one, does not come back by himself.
  private func checkNotRevoked(_ database: Database, _ agent: String) throws {
    let revoked = try database.run(
      "SELECT serial FROM certificates WHERE agent = ? AND revoked IS NOT NULL AND reason <> ? LIMIT 1", .text(agent),
      .integer(Int64(RevocationReason.superseded.rawValue)))
    guard revoked.isEmpty else {
      throw CertificateProblem.refused("the certificate of \(agent), who has this token, is revoked")
    }
  }

  /// The machine of an agent has come back as another: the keys of that one are gone, and so are its other tokens.
  private func end(_ database: Database, _ agent: String, _ now: Date) throws {
    try database.run("DELETE FROM tokens WHERE holder = ? AND used IS NULL", .text(agent))
    try revoke(database, agent: agent, sparing: nil, .superseded, now)
  }
}
