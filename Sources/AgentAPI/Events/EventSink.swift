// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Where events are sent besides the agent's own stream.
public struct EventSinkSpec: Codable, Sendable, Hashable {
  public enum Target: Codable, Sendable, Hashable {
    /// JSON by HTTP POST.
    case webhook(HTTPProbe)
    /// OpenTelemetry's logs (OTLP/HTTP 1.x, JSON).
    case otlp(HTTPProbe)
    /// RFC 5424: `udp://ADDRESS:PORT`, `tcp://ADDRESS:PORT` (octets counted, RFC 6587) or `unix:///PATH`.
    case syslog(String)
    /// systemd's journal on this machine.
    case journald

    public var word: String {
      switch self {
      case .webhook: "webhook"
      case .otlp: "otlp"
      case .syslog: "syslog"
      case .journald: "journald"
      }
    }

    public var address: String {
      switch self {
      case .webhook(let request), .otlp(let request): request.url
      case .syslog(let address): address
      case .journald: "journald"
      }
    }
  }

  public var name: String
  public var target: Target
  /// Only events of at least this severity.
  public var severity: AgentEvent.Severity
  /// Only events of these kinds.
  public var kinds: [String]?

  public init(name: String, target: Target, severity: AgentEvent.Severity = .info, kinds: [String]? = nil) {
    self.name = name
    self.target = target
    self.severity = severity
    self.kinds = kinds
  }

  public func accepts(_ event: AgentEvent) -> Bool {
    event.severity >= severity && kinds?.contains(event.kind) ?? true
  }
}

/// How far a sink has come.
public struct EventSinkState: Codable, Sendable, Hashable {
  public var name: String
  /// The sequence number of the last event that was delivered, or that it does not want.
  public var position: UInt64
  /// Since the monitor knows it.
  public var delivered: UInt64
  /// Events that went out of the stream's bound before they could be delivered.
  public var dropped: UInt64
  /// What the last attempt failed with; `nil` when it did not.
  public var failure: String?

  public init(name: String, position: UInt64) {
    self.name = name
    self.position = position
    delivered = 0
    dropped = 0
    failure = nil
  }
}

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
