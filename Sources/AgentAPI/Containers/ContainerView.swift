// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import LinuxKernel

/// A container as `container.list` and `container.inspect` show it. Times are RFC 3339 in UTC.
public struct ContainerView: Codable, Sendable, Hashable, SchemaDocumented {
  public var name: String
  public var bundle: String
  public var digest: String
  public var state: ContainerState
  public var reason: String?
  public var created: String
  public var started: String?
  public var finished: String?
  public var uptimeMilliseconds: Int64?
  public var exitCode: Int32?
  public var exitSignal: Int32?
  public var outOfMemory: Bool
  public var statusText: String?
  /// The worst of its checks; `nil` where it has none.
  public var health: HealthState?
  /// PID 1 of the container as the host numbers it.
  public var pid: Int32?
  /// First host uid of its range of 65536.
  public var firstUID: UInt32
  public var address: String?
  public var address6: String?
  /// The id in its identity.
  public var agent: String?
  public var restarts: Int
  public var endpoints: [EndpointView]
  public var cpuPercent: Double?
  public var memory: UInt64?
  public var memoryLimit: UInt64?

  public init(name: String, bundle: String, digest: String, state: ContainerState, created: String, firstUID: UInt32) {
    self.name = name
    self.bundle = bundle
    self.digest = digest
    self.state = state
    self.created = created
    self.firstUID = firstUID
    outOfMemory = false
    restarts = 0
    endpoints = []
  }

  public static let memberSummaries = [
    "reason": "why it failed", "created": "RFC 3339", "started": "RFC 3339, of the last start",
    "finished": "RFC 3339, of the last end", "exitSignal": "the signal that ended it",
    "outOfMemory": "true when the kernel ended a process of it at the memory limit",
    "health": "the worst of its checks", "statusText": "the workload's own STATUS= (sd_notify)",
    "agent": "its id in its certificate, where it has an identity; cert.list tells more",
    "pid": "PID 1 of the container as the host numbers it",
    "firstUID": "the host uid that is 0 inside; 65536 follow", "restarts": "restarts by the restart policy",
    "cpuPercent": "of one processor, since the call before", "memory": "bytes without reclaimable page cache",
  ]
}

/// An endpoint of a container and where the node offers it.
public struct EndpointView: Codable, Sendable, Hashable {
  public var name: String
  public var proto: String
  /// Inside the container.
  public var port: UInt16
  public var scope: String
  /// On the node; missing while it is not published.
  public var hostAddress: String?
  public var hostPort: UInt16?
  /// Ports in a row, from `port` and `hostPort` on; missing for one.
  public var count: UInt16?

  public init(
    name: String, proto: String, port: UInt16, scope: String, hostAddress: String? = nil, hostPort: UInt16? = nil,
    count: UInt16? = nil
  ) {
    self.count = count
    self.name = name
    self.proto = proto
    self.port = port
    self.scope = scope
    self.hostAddress = hostAddress
    self.hostPort = hostPort
  }

  enum CodingKeys: String, CodingKey {
    case name, port, scope, hostAddress, hostPort, count
    case proto = "protocol"
  }
}

/// Everything about one container.
public struct ContainerDetails: Codable, Sendable, Hashable {
  public var summary: ContainerView
  public var spec: ContainerSpec
  public var descriptor: BundleDescriptor
  public var cgroups: [String]
  public var directory: String
  public var logDirectory: String

  public init(
    summary: ContainerView, spec: ContainerSpec, descriptor: BundleDescriptor, cgroups: [String], directory: String,
    logDirectory: String
  ) {
    self.summary = summary
    self.spec = spec
    self.descriptor = descriptor
    self.cgroups = cgroups
    self.directory = directory
    self.logDirectory = logDirectory
  }
}

/// What a container uses now.
public struct ContainerStats: Codable, Sendable, Hashable {
  public var name: String
  public var time: String
  public var state: ContainerState
  public var cpuPercent: Double?
  public var usage: Usage

  public init(name: String, time: String, state: ContainerState, cpuPercent: Double?, usage: Usage) {
    self.name = name
    self.time = time
    self.state = state
    self.cpuPercent = cpuPercent
    self.usage = usage
  }
}

/// Counters of a container's cgroup; one that this kernel does not keep is missing.
public struct Usage: Codable, Sendable, Hashable, SchemaDocumented {
  public var cpuMicroseconds: UInt64?
  public var cpuUserMicroseconds: UInt64?
  public var cpuSystemMicroseconds: UInt64?
  public var throttledPeriods: UInt64?
  public var throttledMicroseconds: UInt64?
  public var memory: UInt64?
  public var memoryTotal: UInt64?
  public var memoryPeak: UInt64?
  public var memoryLimit: UInt64?
  public var memoryAnonymous: UInt64?
  public var memoryFile: UInt64?
  public var memoryKernel: UInt64?
  public var readBytes: UInt64?
  public var writtenBytes: UInt64?
  public var oomKills: UInt64?
  public var pids: UInt64?
  public var pidsLimit: UInt64?
  public var pidsRefused: UInt64?
  public var networkReceivedBytes: UInt64?
  public var networkSentBytes: UInt64?

  public init() {}

  public init(_ usage: CgroupUsage) {
    cpuMicroseconds = usage.cpuMicroseconds
    cpuUserMicroseconds = usage.cpuUserMicroseconds
    cpuSystemMicroseconds = usage.cpuSystemMicroseconds
    throttledPeriods = usage.throttledPeriods
    throttledMicroseconds = usage.throttledMicroseconds
    memory = usage.memory
    memoryTotal = usage.memoryTotal
    memoryPeak = usage.memoryPeak
    memoryLimit = usage.memoryLimit
    memoryAnonymous = usage.memoryAnonymous
    memoryFile = usage.memoryFile
    memoryKernel = usage.memoryKernel
    readBytes = usage.readBytes
    writtenBytes = usage.writtenBytes
    oomKills = usage.oomKills
    pids = usage.pids
    pidsLimit = usage.pidsLimit
    pidsRefused = usage.pidsRefused
  }

  public static let memberSummaries = [
    "memory": "bytes without reclaimable page cache (the working set)", "memoryTotal": "bytes with it",
    "networkReceivedBytes": "over its interface, since the start", "networkSentBytes": "likewise",
    "readBytes": "from disks; with the unified cgroup hierarchy", "writtenBytes": "to disks, likewise",
    "oomKills": "processes that the kernel ended at the memory limit",
    "pidsRefused": "forks that failed at the limit",
  ]
}
