// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Limits of a cgroup; `nil` leaves a resource without one.
public struct CgroupLimits: Sendable, Hashable, Codable {
  /// Memory in bytes, page cache included.
  public var memory: UInt64?
  /// Swap in bytes; 0 forbids it.
  public var swap: UInt64?
  /// Processor time in thousandths of one processor: 500 is half of one.
  public var cpuMilli: UInt64?
  /// Share under contention, 1 to 10000, 100 by default (the scale of cgroup v2).
  public var cpuWeight: UInt64?
  /// Processes and threads.
  public var pids: UInt64?
  /// Processors it may use, in the kernel's list format: `0-1,3`.
  public var cpus: String?

  public init(
    memory: UInt64? = nil, swap: UInt64? = nil, cpuMilli: UInt64? = nil, cpuWeight: UInt64? = nil,
    pids: UInt64? = nil, cpus: String? = nil
  ) {
    self.memory = memory
    self.swap = swap
    self.cpuMilli = cpuMilli
    self.cpuWeight = cpuWeight
    self.pids = pids
    self.cpus = cpus
  }
}

/// What a cgroup has used, as far as its hierarchy tells.
public struct CgroupUsage: Sendable, Hashable, Codable {
  /// Processor time in microseconds, and the parts of it in user and kernel mode.
  public var cpuMicroseconds: UInt64?
  public var cpuUserMicroseconds: UInt64?
  public var cpuSystemMicroseconds: UInt64?
  /// How often, and for how long, the cpu limit held it back.
  public var throttledPeriods: UInt64?
  public var throttledMicroseconds: UInt64?
  /// Memory in bytes without reclaimable page cache (the working set).
  public var memory: UInt64?
  public var memoryTotal: UInt64?
  public var memoryPeak: UInt64?
  public var memoryLimit: UInt64?
  public var memoryAnonymous: UInt64?
  public var memoryFile: UInt64?
  public var memoryKernel: UInt64?
  /// What it read from and wrote to disks; only the unified hierarchy tells.
  public var readBytes: UInt64?
  public var writtenBytes: UInt64?
  public var reads: UInt64?
  public var writes: UInt64?
  /// Processes that the kernel killed because the memory limit was reached.
  public var oomKills: UInt64?
  public var pids: UInt64?
  public var pidsLimit: UInt64?
  /// How often a fork failed at the limit.
  public var pidsRefused: UInt64?

  public init() {}
}
