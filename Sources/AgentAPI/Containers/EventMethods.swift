// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Something that happened to an entity of the agent.
public struct AgentEvent: Codable, Sendable, Hashable, SchemaDocumented {
  /// Counts up within one life of the controller.
  public var sequence: UInt64
  public var time: String
  /// `container`, `bundle`, `subsystem`.
  public var kind: String
  public var name: String
  /// `available`, `failed`, `imported`…
  public var event: String
  public var cause: String?
  public var correlation: String?

  public init(
    sequence: UInt64, time: String, kind: String, name: String, event: String, cause: String?, correlation: String?
  ) {
    self.sequence = sequence
    self.time = time
    self.kind = kind
    self.name = name
    self.event = event
    self.cause = cause
    self.correlation = correlation
  }

  public static let memberSummaries = [
    "sequence": "counts up within one life of the controller", "time": "RFC 3339",
    "kind": "container, bundle or subsystem", "event": "the new state, or what was done",
    "cause": "why, where that is known", "correlation": "ties together what one request caused",
  ]
}

public enum EventMethods {
  public struct Query: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]?
    public var after: UInt64?
    public init(names: [String]? = nil, after: UInt64? = nil) {
      self.names = names
      self.after = after
    }
    public static let memberSummaries = [
      "names": "only of these entities", "after": "begin after this sequence number, with what is remembered",
    ]
  }

  public static let list = Method<Query, [AgentEvent]>(
    "events.list", role: .observer, "The last events that the controller remembers, at most 1000.")
  public static let topic = Method<Query, AgentEvent>(
    "events", kind: .topic, role: .observer, "Events as they happen.")
}
