// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Something that happened to an entity of the agent.
public struct AgentEvent: Codable, Sendable, Hashable, SchemaDocumented {
  /// How much it matters, from least to most.
  public enum Severity: String, Sendable, Hashable, SchemaEnumeration, Comparable {
    case info, warning, error
    public static func < (left: Severity, right: Severity) -> Bool {
      (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
  }

  /// Counts up; within one life of the container controller, and for ever in the node controller's stream.
  public var sequence: UInt64
  public var time: String
  /// `container`, `bundle`, `subsystem`, `node`, `events`.
  public var kind: String
  public var name: String
  /// `available`, `failed`, `imported`…
  public var event: String
  public var severity: Severity
  /// `node-controller` or `container-controller`.
  public var source: String
  public var cause: String?
  public var correlation: String?
  public var data: [String: String]?

  public init(
    sequence: UInt64, time: String, kind: String, name: String, event: String, severity: Severity = .info,
    source: String, cause: String?, correlation: String?, data: [String: String]? = nil
  ) {
    self.sequence = sequence
    self.time = time
    self.kind = kind
    self.name = name
    self.event = event
    self.severity = severity
    self.source = source
    self.cause = cause
    self.correlation = correlation
    self.data = data
  }

  public static let memberSummaries = [
    "sequence":
      "counts up: within one life of the container controller on container.sock, for ever on node.sock",
    "time": "RFC 3339", "kind": "container, bundle, subsystem, node or events",
    "event": "the new state, or what was done",
    "source": "the part of the agent that saw it", "cause": "why, where that is known",
    "correlation": "ties together what one request caused",
  ]
}

public enum EventMethods {
  public struct Query: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]?
    public var after: UInt64?
    public var kinds: [String]?
    public var since: String?
    public var severity: AgentEvent.Severity?
    public var last: Int?
    public init(
      names: [String]? = nil, after: UInt64? = nil, kinds: [String]? = nil, since: String? = nil,
      severity: AgentEvent.Severity? = nil, last: Int? = nil
    ) {
      self.names = names
      self.after = after
      self.kinds = kinds
      self.since = since
      self.severity = severity
      self.last = last
    }
    public static let memberSummaries = [
      "names": "only of these entities", "after": "begin after this sequence number, with what is remembered",
      "kinds": "only of these kinds",
      "since": "begin here, with what is remembered; RFC 3339, or a duration before now",
      "severity": "only of at least this severity", "last": "only so many of the last ones that fit",
    ]
  }

  public struct Report: Codable, Sendable, Hashable {
    public var events: [AgentEvent]
    public init(events: [AgentEvent]) { self.events = events }
  }

  public static let list = Method<Query, [AgentEvent]>(
    "events.list", role: .observer,
    "The events that are remembered: the last 1000 on container.sock; on node.sock those on disk, at most 10000 an answer.",
    errors: [.invalidParams])
  public static let topic = Method<Query, AgentEvent>(
    "events", kind: .topic, role: .observer,
    "Events as they happen; with after or since, first those that are remembered.", errors: [.invalidParams])
  public static let report = Method<Report, Empty>(
    "events.report", role: .containerController, "Adds events of the container controller to the node's stream.")
}

extension AgentEvent {
  /// One line for people.
  public var message: String { "\(kind) \(name) \(event)\(cause.map { ": \($0)" } ?? "")" }
}
