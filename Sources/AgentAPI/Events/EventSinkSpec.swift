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

    /// Where it is, for people: of a URL only the server, because the rest is often a secret.
    public var address: String {
      switch self {
      case .webhook(let request), .otlp(let request): request.server
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
