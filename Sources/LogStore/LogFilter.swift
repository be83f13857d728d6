// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// A log query that was checked.
public struct LogFilter: Sendable {
  public var since: Int64?
  public var until: Int64?
  public var stream: String?
  public var text: String?

  public init(_ query: LogQuery) throws(RPCError) {
    let now = Clock.wallMicroseconds()
    func time(_ text: String?, _ name: String) throws(RPCError) -> Int64? {
      guard let text else { return nil }
      guard let time = Timestamp.parse(text, now: now) else {
        throw RPCError(
          .invalidParams,
          "params.\(name) is an RFC 3339 time such as 2026-05-01T09:30:00Z, or a duration before now such as 10m, not \"\(text.prefix(40))\""
        )
      }
      return time
    }
    since = try time(query.since, "since")
    until = try time(query.until, "until")
    if let stream = query.stream, !["stdout", "stderr", "harness"].contains(stream) {
      throw RPCError(.invalidParams, "params.stream is stdout, stderr or harness")
    }
    stream = query.stream
    text = query.grep
  }

  public func accepts(_ record: LogRecord) -> Bool {
    if let since, record.t < since { return false }
    if let until, record.t > until { return false }
    if let stream, record.s != stream { return false }
    if let text, !record.text.contains(text) { return false }
    return true
  }
}
