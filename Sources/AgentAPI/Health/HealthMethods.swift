// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// One check for the monitor.
public struct ProbeAssignment: Codable, Sendable, Hashable {
  /// `owner/name`.
  public var id: String
  /// Counts the starts of the owner: results of an earlier one do not count.
  public var generation: UInt64
  public var check: HealthCheck
  /// Milliseconds; longer than the check's own while it is unhealthy and has a backoff.
  public var interval: Int64

  public init(id: String, generation: UInt64, check: HealthCheck, interval: Int64) {
    self.id = id
    self.generation = generation
    self.check = check
    self.interval = interval
  }
}

/// What became of one look.
public struct ProbeResult: Codable, Sendable, Hashable {
  public var id: String
  public var generation: UInt64
  public var ok: Bool
  /// At most 500 bytes.
  public var output: String
  public var milliseconds: Double

  public init(id: String, generation: UInt64, ok: Bool, output: String, milliseconds: Double) {
    self.id = id
    self.generation = generation
    self.ok = ok
    self.output = output
    self.milliseconds = milliseconds
  }
}

public enum HealthMethods {
  public struct Query: Codable, Sendable, Hashable, SchemaDocumented {
    public var owners: [String]?
    public init(owners: [String]? = nil) { self.owners = owners }
    public static let memberSummaries = ["owners": "only of these sub-systems or containers, or of node"]
  }

  public struct Maintenance: Codable, Sendable, Hashable, SchemaDocumented {
    public var owners: [String]
    public var on: Bool
    public init(owners: [String], on: Bool) {
      self.owners = owners
      self.on = on
    }
    public static let memberSummaries = [
      "owners": "sub-systems or containers, or node", "on": "true: they are not checked until it is false again",
    ]
  }

  /// All checks of the monitor: what is not in it any more is not to be checked.
  public struct Assignments: Codable, Sendable, Hashable {
    public var checks: [ProbeAssignment]
    public init(checks: [ProbeAssignment]) { self.checks = checks }
  }

  public struct Report: Codable, Sendable, Hashable {
    public var results: [ProbeResult]
    /// Looks since the last report that were left out, because the one before had not ended.
    public var missed: Int
    public init(results: [ProbeResult], missed: Int = 0) {
      self.results = results
      self.missed = missed
    }
  }

  public struct Mirror: Codable, Sendable, Hashable {
    public var checks: [MetricSources.Check]
    public init(checks: [MetricSources.Check]) { self.checks = checks }
  }

  public static let mirror = Method<Mirror, Empty>(
    "health.mirror", role: .containerController, "Tells the node how the containers' checks are, for its metrics.")
  public static let list = Method<Query, [HealthView]>(
    "health.list", role: .observer, "The health checks as they are now, with their last changes.")
  public static let maintenance = Method<Maintenance, Empty>(
    "health.maintenance", role: .admin,
    "Begins or ends the maintenance of sub-systems or containers: nothing is checked meanwhile.",
    errors: [.notFound])
  public static let assignments = Method<Empty, Assignments>(
    "health.assignments", kind: .topic, role: .monitor, "The checks of the monitor, again whenever they change.")
  public static let report = Method<Report, Empty>(
    "health.report", role: .monitor, "Tells what the monitor has seen.")
}
