// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

public enum NodeState: String, Sendable, Hashable, SchemaEnumeration {
  /// The agent starts; its own parts are not all there.
  case initializing
  case available
  /// Somebody has marked it so: it takes no new containers.
  case unavailable
  /// The agent is being stopped with all that it runs.
  case destroying
}

/// Which machine this is.
public struct NodeIdentity: Codable, Sendable, Hashable, SchemaDocumented {
  public var hostname: String
  /// The host name with its domain, where `/etc/hosts` or the name itself has one.
  public var fqdn: String?
  public var machineID: String?
  public var bootID: String?
  public var booted: String?

  public init(hostname: String, fqdn: String?, machineID: String?, bootID: String?, booted: String?) {
    self.hostname = hostname
    self.fqdn = fqdn
    self.machineID = machineID
    self.bootID = bootID
    self.booted = booted
  }

  public static let memberSummaries = [
    "fqdn": "the host name with its domain, where the machine knows one",
    "machineID": "for ever the same on this machine; derived from machine-id(5), which itself is not told",
    "bootID": "another after each boot (random(4))", "booted": "RFC 3339",
  ]
}

/// What the machine has.
public struct NodeInventory: Codable, Sendable, Hashable, SchemaDocumented {
  public var system: String?
  public var kernel: String
  public var architecture: String
  public var processors: Int
  public var memory: UInt64
  /// Of the file-system with the agent's state.
  public var disk: UInt64
  public var diskFree: UInt64

  public init(
    system: String?, kernel: String, architecture: String, processors: Int, memory: UInt64, disk: UInt64,
    diskFree: UInt64
  ) {
    self.system = system
    self.kernel = kernel
    self.architecture = architecture
    self.processors = processors
    self.memory = memory
    self.disk = disk
    self.diskFree = diskFree
  }

  public static let memberSummaries = [
    "processors": "that are online", "memory": "bytes", "disk": "bytes of the file-system with the agent's state",
    "diskFree": "bytes of it that are free",
  ]
}

/// How the node is.
public struct NodeStatus: Codable, Sendable, Hashable {
  public var state: NodeState
  public var since: String
  public var reason: String?
  public var identity: NodeIdentity
  public var inventory: NodeInventory
  /// Sub-systems by their state.
  public var subsystems: [String: Int]
  /// Checks that fail, as `owner/name`.
  public var unhealthy: [String]

  public init(
    state: NodeState, since: String, reason: String?, identity: NodeIdentity, inventory: NodeInventory,
    subsystems: [String: Int], unhealthy: [String]
  ) {
    self.state = state
    self.since = since
    self.reason = reason
    self.identity = identity
    self.inventory = inventory
    self.subsystems = subsystems
    self.unhealthy = unhealthy
  }
}
