// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// A query for events that was checked.
public struct EventFilter: Sendable {
  private let query: EventMethods.Query
  /// RFC 3339 in the form in which events have it, so that texts compare as times do.
  private let since: String?

  /// - Throws: `invalid params` for a time that is none.
  public init(_ query: EventMethods.Query) throws(RPCError) {
    self.query = query
    guard let text = query.since else {
      since = nil
      return
    }
    guard let time = Timestamp.parse(text, now: Clock.wallMicroseconds()) else {
      throw RPCError(
        .invalidParams,
        "params.since is an RFC 3339 time such as 2026-05-01T09:30:00Z, or a duration before now such as 10m, not \"\(text.prefix(40))\""
      )
    }
    since = Timestamp.text(microseconds: time)
  }

  /// True when it asks for what is remembered, and not only for what happens from now on.
  public var wantsPast: Bool { query.after != nil || since != nil || query.last != nil }
  var last: Int? { query.last }

  public func accepts(_ event: AgentEvent) -> Bool {
    if let after = query.after, event.sequence <= after { return false }
    if let names = query.names, !names.contains(event.name) { return false }
    if let kinds = query.kinds, !kinds.contains(event.kind) { return false }
    if let severity = query.severity, event.severity < severity { return false }
    if let since, event.time < since { return false }
    return true
  }
}
