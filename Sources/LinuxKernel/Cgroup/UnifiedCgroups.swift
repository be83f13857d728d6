// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// Cgroup v2 (kernel document admin-guide/cgroup-v2).
public struct UnifiedCgroups<K: Kernel>: CgroupHierarchy {
  let root: String
  let parent: String
  let kernel: K
  private var files: CgroupFiles<K> { CgroupFiles(kernel: kernel) }
  /// `parent` is the agent's own group; groups are made in `parent/base`.
  public init(parent: String, base: String, kernel: K) {
    self.parent = parent
    self.root = "\(parent)/\(base)"
    self.kernel = kernel
  }

  private func directory(_ name: String) -> String { "\(root)/\(name)" }

  /// Makes the base and hands down to its groups the controllers that the limits need. A group with processes of its
  /// own cannot hand controllers down (`EBUSY`): the agent must then have been moved to a leaf first.
  func prepareBase(_ limits: CgroupLimits) throws(SyscallError) {
    // cpuset only where it is asked for: enabling it moves every process below, which the kernel may refuse.
    let needed = ["memory", "cpu", "pids"] + (limits.cpus == nil ? [] : ["cpuset"])
    if needed.allSatisfy(words("\(root)/cgroup.subtree_control").contains) { return }
    if !kernel.exists(root) { try kernel.makeDirectory(root, mode: 0o755, uid: 0, gid: 0) }
    for directory in [parent, root] {
      let offered = words("\(directory)/cgroup.controllers")
      let enabled = words("\(directory)/cgroup.subtree_control")
      for controller in needed where offered.contains(controller) && !enabled.contains(controller) {
        do {
          try kernel.write("+\(controller)", to: "\(directory)/cgroup.subtree_control")
        } catch {
          throw SyscallError(
            call: error.call, object: error.object, errno: error.errno,
            detail: "the controller \(controller) cannot be handed to containers")
        }
      }
      // For the figures alone: a kernel that refuses it keeps no container from starting.
      if offered.contains("io"), !enabled.contains("io") {
        try? kernel.write("+io", to: "\(directory)/cgroup.subtree_control")
      }
    }
  }

  private func words(_ path: String) -> [String] {
    ((try? kernel.read(path)) ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
  }

  public func create(_ name: String, limits: CgroupLimits) throws(SyscallError) {
    let directory = directory(name)
    if !kernel.exists(directory) {
      try prepareBase(limits)
      try kernel.makeDirectory(directory, mode: 0o755, uid: 0, gid: 0)
    }
    if let memory = limits.memory { try kernel.write("\(memory)", to: "\(directory)/memory.max") }
    if let swap = limits.swap, kernel.exists("\(directory)/memory.swap.max") {
      try kernel.write("\(swap)", to: "\(directory)/memory.swap.max")
    }
    if let cpu = limits.cpuMilli { try kernel.write("\(cpu * 100) 100000", to: "\(directory)/cpu.max") }
    if let weight = limits.cpuWeight { try kernel.write("\(weight)", to: "\(directory)/cpu.weight") }
    if let pids = limits.pids { try kernel.write("\(pids)", to: "\(directory)/pids.max") }
    if let cpus = limits.cpus { try kernel.write(cpus, to: "\(directory)/cpuset.cpus") }
  }

  public func attach(_ pid: Int32, to name: String) throws(SyscallError) {
    try kernel.write("\(pid)", to: "\(directory(name))/cgroup.procs")
  }

  public func entrances(to name: String) -> [SharedDescriptor]? { nil }

  public func oomKills(of name: String) -> UInt64 {
    files.table("\(directory(name))/memory.events")["oom_kill"] ?? 0
  }

  public func processes(in name: String) throws(SyscallError) -> [Int32] {
    try files.processes("\(directory(name))/cgroup.procs")
  }

  public func kill(_ name: String) throws(SyscallError) {
    try kernel.write("1", to: "\(directory(name))/cgroup.kill")
  }

  public func remove(_ name: String) throws(SyscallError) {
    if kernel.exists(directory(name)) { try kernel.removeDirectory(directory(name)) }
  }

  public func list() -> [String] {
    ((try? kernel.names(in: root)) ?? []).filter { kernel.exists("\(root)/\($0)/cgroup.procs") }.sorted()
  }

  public func usage(of name: String) -> CgroupUsage {
    let directory = directory(name)
    var usage = CgroupUsage()
    let cpu = files.table("\(directory)/cpu.stat")
    usage.cpuMicroseconds = cpu["usage_usec"]
    usage.cpuUserMicroseconds = cpu["user_usec"]
    usage.cpuSystemMicroseconds = cpu["system_usec"]
    usage.throttledPeriods = cpu["nr_throttled"]
    usage.throttledMicroseconds = cpu["throttled_usec"]
    let memory = files.table("\(directory)/memory.stat")
    usage.memoryTotal = files.number("\(directory)/memory.current")
    usage.memory = usage.memoryTotal.map { $0 - min($0, memory["inactive_file"] ?? 0) }
    usage.memoryPeak = files.number("\(directory)/memory.peak")
    usage.memoryLimit = files.number("\(directory)/memory.max")
    usage.memoryAnonymous = memory["anon"]
    usage.memoryFile = memory["file"]
    usage.memoryKernel = memory["kernel"]
    usage.oomKills = files.table("\(directory)/memory.events")["oom_kill"]
    if let io = files.disks("\(directory)/io.stat") {
      usage.readBytes = io["rbytes"] ?? 0
      usage.writtenBytes = io["wbytes"] ?? 0
      usage.reads = io["rios"] ?? 0
      usage.writes = io["wios"] ?? 0
    }
    usage.pids = files.number("\(directory)/pids.current")
    usage.pidsLimit = files.number("\(directory)/pids.max")
    usage.pidsRefused = files.table("\(directory)/pids.events")["max"]
    return usage
  }

  public func paths(of name: String) -> [String] { [directory(name)] }

  public func removeBase() throws(SyscallError) {
    if kernel.exists(root) { try kernel.removeDirectory(root) }
  }
}
