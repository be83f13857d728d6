// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// What the node controller tells its monitor about what it runs, for the metrics.
public struct MetricSources: Codable, Sendable, Hashable {
  public struct Subsystem: Codable, Sendable, Hashable {
    public var name: String
    public var state: SubsystemState
    public var restarts: Int
    public var pid: Int32?
    public var usage: CgroupUsage
    public init(name: String, state: SubsystemState, restarts: Int, pid: Int32?, usage: CgroupUsage) {
      self.name = name
      self.state = state
      self.restarts = restarts
      self.pid = pid
      self.usage = usage
    }
  }

  public struct Container: Codable, Sendable, Hashable {
    public var name: String
    /// Of its cgroup, below the mount.
    public var id: String
    /// The host's end of its interface.
    public var interface: String?
    public var pid: Int32
    public var usage: CgroupUsage
    /// What its endpoints have moved.
    public var endpoints: [NetworkMethods.Endpoint]?
    public init(name: String, id: String, interface: String?, pid: Int32, usage: CgroupUsage) {
      self.name = name
      self.id = id
      self.interface = interface
      self.pid = pid
      self.usage = usage
    }
  }

  public struct Check: Codable, Sendable, Hashable {
    public var owner: String
    public var name: String
    public var state: HealthState
    public var failures: Int
    public var milliseconds: Double?
    public init(owner: String, name: String, state: HealthState, failures: Int, milliseconds: Double?) {
      self.owner = owner
      self.name = name
      self.state = state
      self.failures = failures
      self.milliseconds = milliseconds
    }
  }

  public var node: NodeState
  public var pid: Int32
  public var subsystems: [Subsystem]
  public var containers: [Container]
  public var checks: [Check]

  public init(
    node: NodeState, pid: Int32, subsystems: [Subsystem], containers: [Container], checks: [Check]
  ) {
    self.node = node
    self.pid = pid
    self.subsystems = subsystems
    self.containers = containers
    self.checks = checks
  }
}
