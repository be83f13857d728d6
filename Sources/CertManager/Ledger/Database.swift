// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CSQLite

/// A connection to an SQLite database; not for several threads at once.
final class Database {
  enum Value: Sendable, Equatable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    var text: String? { if case .text(let value) = self { value } else { nil } }
    var blob: [UInt8]? { if case .blob(let value) = self { value } else { nil } }
  }

  struct Failure: Error, CustomStringConvertible {
    var code: Int32
    var description: String
  }

  private var handle: OpaquePointer?
  /// Prepared once each.
  private var statements: [String: OpaquePointer] = [:]
  private let path: String

  /// Opens a database, and makes it where there is none.
  init(_ path: String) throws(Failure) {
    self.path = path
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW
    let code = sqlite3_open_v2(path, &handle, flags, nil)
    guard code == SQLITE_OK else { throw failure(code, "open") }
    sqlite3_busy_timeout(handle, 10_000)
    // What was committed survives a loss of power; readers do not wait for the writer.
    for line in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"] { try run(line) }
  }

  deinit {
    for statement in statements.values { sqlite3_finalize(statement) }
    sqlite3_close_v2(handle)
  }

  private func failure(_ code: Int32, _ what: String) -> Failure {
    let text =
      handle.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? String(cString: sqlite3_errstr(code))
    return Failure(code: code, description: "\(path): \(what.prefix(60)): \(text)")
  }

  /// Runs one statement to its end.
  ///
  /// - Returns: its rows.
  @discardableResult
  func run(_ sql: String, _ values: Value...) throws(Failure) -> [[Value]] { try run(sql, values) }

  func run(_ sql: String, _ values: [Value]) throws(Failure) -> [[Value]] {
    let statement = try prepared(sql)
    defer {
      sqlite3_reset(statement)
      sqlite3_clear_bindings(statement)
    }
    for (index, value) in values.enumerated() {
      let place = Int32(index + 1)
      let code =
        switch value {
        case .null: sqlite3_bind_null(statement, place)
        case .integer(let number): sqlite3_bind_int64(statement, place, number)
        case .text(let text): csqlite_bind_text(statement, place, text, -1)
        case .blob(let bytes): csqlite_bind_blob(statement, place, bytes, Int32(bytes.count))
        }
      guard code == SQLITE_OK else { throw failure(code, sql) }
    }
    var rows: [[Value]] = []
    while true {
      let code = sqlite3_step(statement)
      if code == SQLITE_DONE { return rows }
      guard code == SQLITE_ROW else { throw failure(code, sql) }
      rows.append((0..<sqlite3_column_count(statement)).map { Self.value(statement, $0) })
    }
  }

  private static func value(_ statement: OpaquePointer, _ column: Int32) -> Value {
    switch sqlite3_column_type(statement, column) {
    case SQLITE_INTEGER: .integer(sqlite3_column_int64(statement, column))
    case SQLITE_TEXT: .text(String(cString: sqlite3_column_text(statement, column)))
    case SQLITE_BLOB:
      .blob(
        sqlite3_column_blob(statement, column).map {
          Array(UnsafeRawBufferPointer(start: $0, count: Int(sqlite3_column_bytes(statement, column))))
        } ?? [])
    default: .null
    }
  }

  private func prepared(_ sql: String) throws(Failure) -> OpaquePointer {
    if let known = statements[sql] { return known }
    var statement: OpaquePointer?
    let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard code == SQLITE_OK, let statement else { throw failure(code, sql) }
    statements[sql] = statement
    return statement
  }

  /// How many rows the last change changed.
  var changes: Int { Int(sqlite3_changes(handle)) }

  /// All of it or nothing; nobody else writes meanwhile.
  func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try run("BEGIN IMMEDIATE")
    do {
      let result = try body()
      try run("COMMIT")
      return result
    } catch {
      // Where even this fails the transaction ends with the connection.
      _ = try? run("ROLLBACK")
      throw error
    }
  }
}
