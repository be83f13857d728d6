// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import LinuxKernel
import Synchronization
import X509

/// What the authority has done: certificates, tokens, and a log of every issue, renewal, refusal and revocation.
///
/// The rows of the log are linked: each has a keyed hash (HMAC-SHA-256, RFC 2104) over itself and the row before, and the newest is
/// written down once more, so that a row that is changed, removed, added or moved is found by whoever has the key.
public final class Ledger: Sendable {
  private struct Refusals {
    var minute: Int64 = 0
    var count = 0
    var leftOut = 0
  }

  private let refusals = Mutex(Refusals())
  static let mostRefusals = 60
  let writer: GroupCommit
  private let auditKey: SymmetricKey

  /// - Parameter auditKey: of the log's hashes; the same for the ledger's whole life.
  public init(_ path: String, auditKey: SymmetricKey) throws {
    self.auditKey = auditKey
    let database = try Database(path)
    try database.transaction {
      for line in Self.tables { try database.run(line) }
      try Self.addTokenColumns(database)
    }
    writer = GroupCommit(database)
  }

  private static let tables = [
    """
    CREATE TABLE IF NOT EXISTS certificates (serial TEXT PRIMARY KEY, agent TEXT NOT NULL, identity TEXT NOT NULL, capabilities TEXT NOT NULL,
    issued INTEGER NOT NULL, ends INTEGER NOT NULL, revoked INTEGER, reason INTEGER) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS agents ON certificates (agent)",
    "CREATE INDEX IF NOT EXISTS revoked_certificates ON certificates (ends) WHERE revoked IS NOT NULL",
    """
    CREATE TABLE IF NOT EXISTS tokens (hash BLOB PRIMARY KEY, expected TEXT NOT NULL, expires INTEGER NOT NULL, used INTEGER,
    holder TEXT, redeemer TEXT, key BLOB, certificate BLOB) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, agent TEXT NOT NULL, certificate BLOB NOT NULL, time INTEGER NOT NULL)
    STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS answers_by_time ON answers (time)",
    "CREATE TABLE IF NOT EXISTS callbacks (serial TEXT PRIMARY KEY, endpoint TEXT NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY, time INTEGER NOT NULL, event TEXT NOT NULL,
    data TEXT NOT NULL, hash BLOB NOT NULL) STRICT
    """,
    "CREATE TABLE IF NOT EXISTS heads (name TEXT PRIMARY KEY, number INTEGER NOT NULL, hash BLOB) STRICT, WITHOUT ROWID",
  ]

  // MARK: - Certificates

  /// Writes down a certificate that was issued otherwise than by a token: a renewal, or one for a child.
  ///
  /// - Parameter keepsAnswer: it goes to somebody elsewhere, and may be lost on its way.
  public func record(
    _ certificate: Certificate, _ identity: AgentIdentity, _ capabilities: AgentCapabilities, event: String,
    keepsAnswer: Bool = false, now: Date = Date()
  ) throws {
    try writer.commit { [self] database in
      try record(database, certificate, identity, capabilities, event, now)
      if keepsAnswer { try keepAnswer(database, certificate, identity.agent, now) }
    }
  }

  /// The same, for many at once: nobody's thread waits.
  func recordTogether(
    _ certificate: Certificate, _ identity: AgentIdentity, _ capabilities: AgentCapabilities, event: String,
    now: Date = Date()
  ) async throws {
    try await writer.commit { [self] database in try record(database, certificate, identity, capabilities, event, now) }
  }

  func record(
    _ database: Database, _ certificate: Certificate, _ identity: AgentIdentity, _ capabilities: AgentCapabilities,
    _ event: String, _ now: Date
  ) throws {
    let serial = Self.hexadecimal(certificate.serialNumber)
    try database.run(
      "INSERT INTO certificates (serial, agent, identity, capabilities, issued, ends) VALUES (?, ?, ?, ?, ?, ?)",
      .text(serial), .text(identity.agent), .text(try Self.text(identity)), .text(try Self.text(capabilities)),
      .integer(Self.seconds(now)),
      .integer(Self.seconds(certificate.notValidAfter)))
    try log(
      database, event,
      [
        "serial": serial, "agent": identity.agent, "subsystem": identity.subsystem, "node": identity.node,
      ], now)
  }

  /// - Returns: false where it was revoked already.
  /// - Throws: `refused` where there is no such certificate.
  @discardableResult
  public func revoke(serial: String, _ reason: RevocationReason, now: Date = Date()) throws -> Bool {
    try writer.commit { [self] database in
      let rows = try database.run("SELECT revoked FROM certificates WHERE serial = ?", .text(serial))
      guard let row = rows.first else {
        throw CertificateProblem.refused("no certificate has the number \(serial.prefix(64))")
      }
      guard row[0] == .null else { return false }
      try revoke(database, serial, reason, now)
      return true
    }
  }

  /// Revokes what an agent has that is still good, but for one certificate.
  public func revoke(
    agent: String, sparing serial: String?, _ reason: RevocationReason, now: Date = Date()
  ) throws {
    try writer.commit { [self] database in try revoke(database, agent: agent, sparing: serial, reason, now) }
  }

  func revoke(
    _ database: Database, agent: String, sparing serial: String?, _ reason: RevocationReason, _ now: Date
  ) throws {
    let rows = try database.run(
      "SELECT serial FROM certificates WHERE agent = ? AND revoked IS NULL AND ends > ?", .text(agent),
      .integer(Self.seconds(now)))
    for found in rows.compactMap(\.first?.text) where found != serial {
      try revoke(database, found, reason, now)
    }
  }

  func revoke(_ database: Database, _ serial: String, _ reason: RevocationReason, _ now: Date) throws {
    try database.run(
      "UPDATE certificates SET revoked = ?, reason = ? WHERE serial = ?", .integer(Self.seconds(now)),
      .integer(Int64(reason.rawValue)), .text(serial))
    try log(database, "revoked", ["serial": serial, "reason": reason.name], now)
  }

  /// Those of a list: what has ended by itself is left out.
  public func revocations(now: Date = Date()) throws -> [Revocation] {
    try writer.read { database in
      try database.run(
        "SELECT serial, revoked, reason FROM certificates WHERE revoked IS NOT NULL AND ends > ?",
        .integer(Self.seconds(now)))
    }.compactMap { row in
      guard let serial = row[0].text, let date = row[1].integer, let reason = row[2].integer else { return nil }
      return Revocation(
        serial: Certificate.SerialNumber(bytes: Self.bytes(serial)), date: Self.date(date),
        reason: RevocationReason(rawValue: Int(reason)) ?? .unspecified)
    }
  }

  /// The node that an agent's first certificate was issued for; `nil` for an agent that is not known.
  public func node(of agent: String) throws -> String? {
    let rows = try writer.read { database in
      try database.run("SELECT identity FROM certificates WHERE agent = ? LIMIT 1", .text(agent))
    }
    return try rows.first.map { try Self.decode(AgentIdentity.self, $0[0]).node }
  }

  public func state(of serial: Certificate.SerialNumber) throws -> CertificateAuthority.CertificateState {
    let rows = try writer.read { database in
      try database.run(
        "SELECT revoked, reason FROM certificates WHERE serial = ?", .text(Self.hexadecimal(serial)))
    }
    guard let row = rows.first else { return .unknown }
    guard let date = row[0].integer else { return .good }
    return .revoked(Self.date(date), row[1].integer.flatMap { RevocationReason(rawValue: Int($0)) } ?? .unspecified)
  }

  /// All certificates, the newest first.
  public func entries(limit: Int = 1000) throws -> [LedgerEntry] {
    try writer.read { database in
      try database.run(
        "SELECT serial, identity, capabilities, issued, ends, revoked, reason FROM certificates ORDER BY issued DESC LIMIT ?",
        .integer(Int64(limit)))
    }.map { row in
      LedgerEntry(
        serial: row[0].text ?? "", identity: try Self.decode(AgentIdentity.self, row[1]),
        capabilities: try Self.decode(AgentCapabilities.self, row[2]), issued: Self.date(row[3].integer ?? 0),
        end: Self.date(row[4].integer ?? 0), revoked: row[5].integer.map(Self.date),
        reason: row[6].integer.flatMap { RevocationReason(rawValue: Int($0)) })
    }
  }

  // MARK: - Call-backs

  /// An agent that has yet to prove that it is the one who was meant.
  struct PendingCallBack: Sendable, Hashable {
    /// Hexadecimal.
    var serial: String
    var endpoint: String
    var until: Date
  }

  func pendingCallBacks() throws -> [PendingCallBack] {
    try writer.read { database in try database.run("SELECT serial, endpoint, until FROM callbacks") }.map { row in
      PendingCallBack(
        serial: row[0].text ?? "", endpoint: row[1].text ?? "", until: Self.date(row[2].integer ?? 0))
    }
  }

  /// Ends the wait for a call-back: with the proof, or with the certificate's revocation.
  func settle(_ callBack: PendingCallBack, problem: String?, now: Date = Date()) throws {
    try writer.commit { [self] database in
      try database.run("DELETE FROM callbacks WHERE serial = ?", .text(callBack.serial))
      // Of several that look one settles it.
      guard database.changes == 1 else { return }
      guard let problem else {
        return try log(database, "called back", ["serial": callBack.serial, "endpoint": callBack.endpoint], now)
      }
      try log(
        database, "not called back",
        ["serial": callBack.serial, "endpoint": callBack.endpoint, "why": String(problem.prefix(300))], now)
      let rows = try database.run("SELECT revoked FROM certificates WHERE serial = ?", .text(callBack.serial))
      if rows.first?[0] == .null { try revoke(database, callBack.serial, .keyCompromise, now) }
    }
  }

  /// A number that no list has had.
  public func nextListNumber() throws -> Int {
    try writer.commit { database in
      try database.run(
        "INSERT INTO heads (name, number) VALUES ('crl', 1) ON CONFLICT (name) DO UPDATE SET number = number + 1")
      return Int(try database.run("SELECT number FROM heads WHERE name = 'crl'").first?[0].integer ?? 1)
    }
  }

  // MARK: - The log

  /// Writes down that something was refused: at most ``mostRefusals`` a minute, since anybody can ask for something that is refused, and
  /// the log must not fill the disk. What was left out is told with the next.
  public func refuse(_ what: String, _ problem: CertificateProblem, _ now: Date = Date()) throws {
    let minute = Self.seconds(now) / 60
    let leftOut: Int? = refusals.withLock { refusals in
      if refusals.minute != minute { refusals = Refusals(minute: minute, leftOut: refusals.leftOut) }
      guard refusals.count < Self.mostRefusals else {
        refusals.leftOut += 1
        return nil
      }
      refusals.count += 1
      defer { refusals.leftOut = 0 }
      return refusals.leftOut
    }
    guard let leftOut else { return }
    var data = ["what": what, "why": String("\(problem)".prefix(300))]
    if leftOut > 0 { data["leftOut"] = "\(leftOut)" }
    let row = data
    try writer.commit { [self] database in try log(database, "refused", row, now) }
  }

  /// Writes down what happened to the authority itself.
  func note(_ event: String, _ data: [String: String], _ now: Date = Date()) throws {
    try writer.commit { [self] database in try log(database, event, data, now) }
  }

  func log(_ database: Database, _ event: String, _ data: [String: String], _ now: Date) throws {
    let head = try database.run("SELECT number, hash FROM heads WHERE name = 'audit'").first
    let number = (head?[0].integer ?? 0) + 1
    let text = try Self.text(data)
    let hash = hash(previous: head?[1].blob ?? [], number, Self.seconds(now), event, text)
    try database.run(
      "INSERT INTO audit (number, time, event, data, hash) VALUES (?, ?, ?, ?, ?)", .integer(number),
      .integer(Self.seconds(now)), .text(event), .text(text), .blob(hash))
    try database.run(
      "INSERT INTO heads (name, number, hash) VALUES ('audit', ?, ?) ON CONFLICT (name) DO UPDATE SET number = excluded.number, hash = excluded.hash",
      .integer(number), .blob(hash))
  }

  /// Each part behind its length, so that no two rows have the same bytes.
  private func hash(previous: [UInt8], _ number: Int64, _ time: Int64, _ event: String, _ data: String) -> [UInt8] {
    var authentication = HMAC<SHA256>(key: auditKey)
    func add(_ bytes: [UInt8]) {
      withUnsafeBytes(of: UInt64(bytes.count).bigEndian) { authentication.update(data: $0) }
      authentication.update(data: bytes)
    }
    add(previous)
    for value in [number, time] { add(withUnsafeBytes(of: value.bigEndian) { Array($0) }) }
    add(Array(event.utf8))
    add(Array(data.utf8))
    return Array(authentication.finalize())
  }

  /// The last rows of the log, the oldest first. Whether they are as they were written ``verifyAudit()`` says.
  public func audit(last count: Int) throws -> [AuditEntry] {
    try writer.read { database in
      try database.run(
        "SELECT number, time, event, data FROM audit ORDER BY number DESC LIMIT ?", .integer(Int64(count)))
    }.reversed().map { row in
      AuditEntry(
        number: Int(row[0].integer ?? 0), time: Self.date(row[1].integer ?? 0), event: row[2].text ?? "",
        data: (try? Self.decode([String: String].self, row[3])) ?? [:])
    }
  }

  /// Goes through the whole log.
  public func verifyAudit() throws -> AuditVerdict {
    try writer.read { database in
      let rows = try database.run("SELECT number, time, event, data, hash FROM audit ORDER BY number")
      var previous: [UInt8] = []
      for (index, row) in rows.enumerated() {
        let expected = index + 1
        guard let number = row[0].integer, let time = row[1].integer, let event = row[2].text, let data = row[3].text,
          let written = row[4].blob
        else { return .broken(row: expected, "it cannot be read") }
        guard number == expected else { return .broken(row: expected, "it is missing") }
        guard hash(previous: previous, number, time, event, data) == written else {
          return .broken(row: expected, "it is not what was written there")
        }
        previous = written
      }
      let head = try database.run("SELECT number, hash FROM heads WHERE name = 'audit'").first
      guard (head?[0].integer ?? 0) == rows.count, (head?[1].blob ?? []) == previous else {
        return .broken(row: rows.count + 1, "rows at the end are missing")
      }
      return .intact(rows: rows.count)
    }
  }

  // MARK: - Text

  static func text(_ value: some Encodable) throws -> String { try JSONText.encode(value) }

  static func decode<Value: Decodable>(_ type: Value.Type, _ value: Database.Value) throws -> Value {
    try JSONText.decode(type, (value.text ?? "").utf8)
  }

  static func seconds(_ date: Date) -> Int64 { Int64(date.timeIntervalSince1970.rounded(.down)) }
  static func date(_ seconds: Int64) -> Date { Date(timeIntervalSince1970: TimeInterval(seconds)) }

  static func hexadecimal(_ serial: Certificate.SerialNumber) -> String {
    serial.bytes.hexadecimal
  }

  /// `nil` where it is no number in hexadecimal of a serial number's size (RFC 5280 §4.1.2.2).
  static func serial(_ text: String) -> Certificate.SerialNumber? {
    guard (2...40).contains(text.utf8.count), text.utf8.count % 2 == 0, text.allSatisfy({ $0.isASCII && $0.isHexDigit })
    else { return nil }
    return Certificate.SerialNumber(bytes: bytes(text))
  }

  private static func bytes(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}
