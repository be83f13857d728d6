// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// A sink for people.
public struct EventSinkView: Codable, Sendable, Hashable, SchemaDocumented {
  public var name: String
  public var kind: String
  public var address: String
  public var state: String
  public var position: UInt64
  public var waiting: UInt64
  public var delivered: UInt64
  public var dropped: UInt64
  public var failure: String?
  public var since: String?

  public init(spec: EventSinkSpec, state: EventSinkState, last: UInt64, since: String?) {
    name = spec.name
    kind = spec.target.word
    address = spec.target.address
    self.state = state.failure == nil ? "working" : "failing"
    position = state.position
    waiting = last - min(last, state.position)
    delivered = state.delivered
    dropped = state.dropped
    failure = state.failure
    self.since = since
  }

  public static let memberSummaries = [
    "kind": "webhook, otlp, syslog or journald", "state": "working or failing",
    "position": "the sequence number of the last event that it has",
    "waiting": "events after that, whether it wants them or not",
    "delivered": "events since the monitor was started", "dropped": "events that it was too late for",
    "failure": "why it fails", "since": "when it began to fail; RFC 3339",
  ]
}
