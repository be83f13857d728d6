// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

public enum HealthState: String, Sendable, Hashable, SchemaEnumeration {
  /// What it is about does not run, so that there is nothing to check.
  case idle
  /// Not decided yet.
  case pending
  case healthy, unhealthy
  /// It is not checked, because somebody works on it.
  case maintenance

  /// What is to be said of something that has several checks; `nil` where there is none.
  public static func worst(_ states: [HealthState]) -> HealthState? {
    [HealthState.unhealthy, .pending, .maintenance, .healthy, .idle].first { states.contains($0) }
  }
}

/// One check as it is now.
public struct HealthView: Codable, Sendable, Hashable, SchemaDocumented {
  public struct Change: Codable, Sendable, Hashable {
    public var time: String
    public var state: HealthState
    public var output: String?
    public init(time: String, state: HealthState, output: String?) {
      self.time = time
      self.state = state
      self.output = output
    }
  }

  public enum OwnerKind: String, Sendable, Hashable, SchemaEnumeration { case subsystem, container, node }

  public var ownerKind: OwnerKind
  /// The sub-system's or container's name, or `node`.
  public var owner: String
  public var name: String
  public var kind: String
  public var state: HealthState
  public var since: String
  /// Failures in a row.
  public var failures: Int
  /// The last result.
  public var output: String?
  public var checked: String?
  public var milliseconds: Double?
  /// What is being done about it.
  public var remedy: String?
  public var interval: Int64
  public var history: [Change]

  public init(
    ownerKind: OwnerKind, owner: String, name: String, kind: String, state: HealthState, since: String, failures: Int,
    output: String?,
    checked: String?, milliseconds: Double?, remedy: String?, interval: Int64, history: [Change]
  ) {
    self.ownerKind = ownerKind
    self.owner = owner
    self.name = name
    self.kind = kind
    self.state = state
    self.since = since
    self.failures = failures
    self.output = output
    self.checked = checked
    self.milliseconds = milliseconds
    self.remedy = remedy
    self.interval = interval
    self.history = history
  }

  public static let memberSummaries = [
    "owner": "the sub-system's or container's name, or node", "since": "RFC 3339", "failures": "in a row",
    "output": "the last result in words",
    "checked": "when it was last looked at; RFC 3339", "milliseconds": "how long that took",
    "remedy": "what is being done about it", "interval": "milliseconds", "history": "the last changes, oldest first",
  ]
}
