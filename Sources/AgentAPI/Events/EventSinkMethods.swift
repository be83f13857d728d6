// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

public enum EventSinkMethods {
  /// All sinks, and how far each has come.
  public struct Assignments: Codable, Sendable, Hashable {
    public var sinks: [EventSinkSpec]
    public var positions: [String: UInt64]
    public init(sinks: [EventSinkSpec], positions: [String: UInt64]) {
      self.sinks = sinks
      self.positions = positions
    }
  }

  public struct Fetch: Codable, Sendable, Hashable {
    public var after: UInt64
    public var most: Int
    public init(after: UInt64, most: Int) {
      self.after = after
      self.most = most
    }
  }

  /// The next events after a sequence number, all of them.
  public struct Fetched: Codable, Sendable, Hashable {
    public var events: [AgentEvent]
    /// Of the oldest event that is still there; those between `after` and this are gone.
    public var earliest: UInt64
    public init(events: [AgentEvent], earliest: UInt64) {
      self.events = events
      self.earliest = earliest
    }
  }

  public struct Report: Codable, Sendable, Hashable {
    public var states: [EventSinkState]
    public init(states: [EventSinkState]) { self.states = states }
  }

  public static let list = Method<Empty, [EventSinkView]>(
    "sinks.list", role: .observer, "Where events are sent, and how that goes.")
  public static let assignments = Method<Empty, Assignments>(
    "sinks.assignments", kind: .topic, role: .monitor, "The sinks, again whenever they change.")
  public static let fetch = Method<Fetch, Fetched>(
    "sinks.fetch", role: .monitor, "The next events after a sequence number.")
  public static let report = Method<Report, Empty>(
    "sinks.report", role: .monitor, "Tells how far the sinks have come.")
}
