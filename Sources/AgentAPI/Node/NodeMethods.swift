// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// The agent and the machine it is on.
public struct NodeInfo: Codable, Sendable, Hashable {
  public var version: String
  public var instance: String
  public var root: String
  public var pid: Int32
  public var kernel: String
  public var cgroups: String
  public var pool: String
  public var bridge: String
  public var subsystems: [SubsystemView]

  public init(
    version: String, instance: String, root: String, pid: Int32, kernel: String, cgroups: String, pool: String,
    bridge: String, subsystems: [SubsystemView]
  ) {
    self.version = version
    self.instance = instance
    self.root = root
    self.pid = pid
    self.kernel = kernel
    self.cgroups = cgroups
    self.pool = pool
    self.bridge = bridge
    self.subsystems = subsystems
  }
}

/// One thing that `doctor` looked at.
public struct Finding: Codable, Sendable, Hashable {
  public enum Level: String, Sendable, Hashable, SchemaEnumeration { case ok, warning, problem }
  public var level: Level
  public var subject: String
  public var text: String
  public init(_ level: Level, _ subject: String, _ text: String) {
    self.level = level
    self.subject = subject
    self.text = text
  }
}

public enum NodeMethods {
  public struct Shutdown: Codable, Sendable, Hashable, SchemaDocumented {
    public var keepContainers: Bool?
    public init(keepContainers: Bool? = nil) { self.keepContainers = keepContainers }
    public static let memberSummaries = ["keepContainers": "leave containers running for the next start of the agent"]
  }

  public struct Mark: Codable, Sendable, Hashable, SchemaDocumented {
    public var reason: String?
    public init(reason: String? = nil) { self.reason = reason }
    public static let memberSummaries = ["reason": "why, for those who wonder"]
  }

  public static let status = Method<Empty, NodeStatus>(
    "node.status", role: .observer, "The node's state, identity and inventory.")
  public static let markUnavailable = Method<Mark, Empty>(
    "node.mark-unavailable", role: .admin, "Takes no new containers from now on, also after a boot.")
  public static let markAvailable = Method<Empty, Empty>(
    "node.mark-available", role: .admin, "Takes new containers again.")
  public static let info = Method<Empty, NodeInfo>("node.info", role: .observer, "The agent and its sub-systems.")
  public static let shutdown = Method<Shutdown, Empty>(
    "node.shutdown", role: .admin, "Stops the containers, the sub-systems and the agent, in this order.")
  public static let doctor = Method<Empty, [Finding]>(
    "node.doctor", role: .observer, "What this machine offers to containers, and what it lacks.")
}
