// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

public enum SubsystemState: String, Sendable, Hashable, SchemaEnumeration {
  case stopped
  /// Asked for, but something that it requires is not available.
  case waiting
  case starting, available, reloading, stopping
  /// It ended; it is started again after a pause.
  case backoff
  /// It could not be started, ended in a way that its restart policy does not mend, or was restarted too often.
  case failed

  /// True while a process of it may run.
  public var isRunning: Bool { [.starting, .available, .reloading, .stopping].contains(self) }
}

/// Who runs a sub-system's process.
public enum SubsystemBackend: String, Sendable, Hashable, SchemaEnumeration {
  /// The agent itself.
  case builtIn = "built-in"
  /// systemd, as a unit that the agent makes.
  case transient = "systemd-transient"
  /// systemd, as a unit of the machine.
  case unit = "systemd-unit"
}

/// A sub-system as it is now.
public struct SubsystemView: Codable, Sendable, Hashable, SchemaDocumented {
  public var name: String
  public var about: String?
  public var state: SubsystemState
  public var backend: SubsystemBackend
  public var start: SubsystemSpec.Start
  public var pid: Int32?
  public var uid: UInt32?
  public var restarts: Int
  /// RFC 3339.
  public var since: String?
  public var reason: String?
  public var status: String?
  /// Bytes.
  public var memory: UInt64?
  public var cpuMicroseconds: UInt64?
  public var pids: UInt64?
  /// The worst of its checks; missing where it has none.
  public var health: HealthState?

  public init(
    name: String, about: String? = nil, state: SubsystemState, backend: SubsystemBackend,
    start: SubsystemSpec.Start = .boot, pid: Int32?, uid: UInt32?, restarts: Int, since: String? = nil,
    reason: String?, status: String? = nil
  ) {
    self.name = name
    self.about = about
    self.state = state
    self.backend = backend
    self.start = start
    self.pid = pid
    self.uid = uid
    self.restarts = restarts
    self.since = since
    self.reason = reason
    self.status = status
  }

  public static let memberSummaries = [
    "since": "when it came into this state; RFC 3339", "reason": "why it is not available, or how it ended last",
    "status": "what it says of itself (STATUS= of sd_notify(3))", "memory": "bytes, without reclaimable page cache",
    "cpuMicroseconds": "processor time of this run", "pids": "processes and threads",
    "health": "the worst of its checks",
  ]
}

/// Everything about one sub-system.
public struct SubsystemDetails: Codable, Sendable, Hashable {
  public var view: SubsystemView
  public var spec: SubsystemSpec
  public var dependents: [String]
  public var processes: [Int32]
  public init(view: SubsystemView, spec: SubsystemSpec, dependents: [String], processes: [Int32]) {
    self.view = view
    self.spec = spec
    self.dependents = dependents
    self.processes = processes
  }
}
