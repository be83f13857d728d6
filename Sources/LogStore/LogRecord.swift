// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation

/// A line of a log segment as PID 1 writes it.
public struct LogRecord: Decodable, Sendable {
  /// Microseconds since 1970.
  var t: Int64
  var s: String
  var m: String?
  var b: String?
  var p: Bool?

  public var text: String {
    if let m { return m }
    return b.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  public var entry: LogEntry {
    LogEntry(time: Timestamp.text(microseconds: t), stream: s, text: text, base64: m == nil ? b : nil, partial: p)
  }
}
