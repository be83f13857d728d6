// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// The v1 hierarchies (kernel documents admin-guide/cgroup-v1). The v2 hierarchy that a hybrid machine has beside them
/// is left alone: it has no controllers there.
public struct LegacyCgroups<K: Kernel>: CgroupHierarchy {
  /// The instance's directory in each hierarchy, by controller, each directory once.
  let roots: [(controller: String, directory: String)]
  let kernel: K
  private var files: CgroupFiles<K> { CgroupFiles(kernel: kernel) }

  public init(layout: CgroupLayout, base: String, kernel: K) {
    var roots: [(String, String)] = []
    // blkio is left out until a limit for it can be asked for: each hierarchy costs a migration at every start.
    for controller in ["memory", "cpu", "cpuacct", "pids", "cpuset"] {
      guard let directory = layout.legacy[controller] else { continue }
      roots.append((controller, "\(directory)/\(base)"))
    }
    self.roots = roots
    self.kernel = kernel
  }

  private func directory(_ controller: String, _ name: String) -> String? {
    roots.first { $0.controller == controller }.map { "\($0.directory)/\(name)" }
  }

  /// The hierarchies that a group takes part in: cpuset only when it is limited.
  private func used(_ name: String, limits: CgroupLimits) -> [(controller: String, directory: String)] {
    roots.filter { $0.controller != "cpuset" || limits.cpus != nil }
  }

  private var all: [String] {
    var seen: Set<String> = []
    return roots.map(\.directory).filter { seen.insert($0).inserted }
  }

  private func make(_ directory: String) throws(SyscallError) {
    if !kernel.exists(directory) { try kernel.makeDirectory(directory, mode: 0o755, uid: 0, gid: 0) }
  }

  public func create(_ name: String, limits: CgroupLimits) throws(SyscallError) {
    for (controller, base) in used(name, limits: limits) {
      try make(base)
      if controller == "cpuset" { try seedCpuset(base) }
      try make("\(base)/\(name)")
      if controller == "cpuset" { try seedCpuset("\(base)/\(name)") }
    }
    if let memory = limits.memory, let directory = directory("memory", name) {
      try limit(memory: memory, swap: limits.swap, in: directory)
    }
    if let cpu = limits.cpuMilli, let directory = directory("cpu", name) {
      try kernel.write("100000", to: "\(directory)/cpu.cfs_period_us")
      try kernel.write("\(cpu * 100)", to: "\(directory)/cpu.cfs_quota_us")
    }
    if let weight = limits.cpuWeight, let directory = directory("cpu", name) {
      // v2 weight 100 is v1 share 1024.
      try kernel.write("\(max(2, weight * 1024 / 100))", to: "\(directory)/cpu.shares")
    }
    if let pids = limits.pids, let directory = directory("pids", name) {
      try kernel.write("\(pids)", to: "\(directory)/pids.max")
    }
    if let cpus = limits.cpus, let directory = directory("cpuset", name) {
      try kernel.write(cpus, to: "\(directory)/cpuset.cpus")
    }
  }

  /// The sum of memory and swap may never be below memory: the one that grows is written first.
  private func limit(memory: UInt64, swap: UInt64?, in directory: String) throws(SyscallError) {
    let both = "\(directory)/memory.memsw.limit_in_bytes"
    let (sum, overflow) = memory.addingReportingOverflow(swap ?? 0)
    guard swap != nil, !overflow, kernel.exists(both) else {
      try kernel.write("\(memory)", to: "\(directory)/memory.limit_in_bytes")
      return
    }
    if sum > files.number(both) ?? .max { try kernel.write("\(sum)", to: both) }
    try kernel.write("\(memory)", to: "\(directory)/memory.limit_in_bytes")
    try kernel.write("\(sum)", to: both)
  }

  /// A v1 cpuset takes no process before it has processors and memory nodes: it starts with its parent's.
  private func seedCpuset(_ directory: String) throws(SyscallError) {
    guard let slash = directory.lastIndex(of: "/") else { return }
    let parent = directory[..<slash]
    for file in ["cpuset.cpus", "cpuset.mems"] {
      let own = (try? kernel.read("\(directory)/\(file)")) ?? ""
      guard own.allSatisfy(\.isWhitespace) else { continue }
      let inherited = try kernel.read("\(parent)/\(file)")
      try kernel.write(String(inherited.filter { !$0.isWhitespace }), to: "\(directory)/\(file)")
    }
  }

  public func attach(_ pid: Int32, to name: String) throws(SyscallError) {
    var written: Set<String> = []
    for (_, base) in roots where kernel.exists("\(base)/\(name)") {
      if written.insert(base).inserted { try kernel.write("\(pid)", to: "\(base)/\(name)/cgroup.procs") }
    }
  }

  public func entrances(to name: String) throws(SyscallError) -> [SharedDescriptor]? {
    var entrances: [SharedDescriptor] = []
    for base in all where kernel.exists("\(base)/\(name)") {
      entrances.append(SharedDescriptor(try FileSystem.open("\(base)/\(name)/tasks", flags: O_WRONLY)))
    }
    return entrances
  }

  public func oomKills(of name: String) -> UInt64 {
    directory("memory", name).flatMap { files.table("\($0)/memory.oom_control")["oom_kill"] } ?? 0
  }

  public func processes(in name: String) throws(SyscallError) -> [Int32] {
    var found: Set<Int32> = []
    for base in all where kernel.exists("\(base)/\(name)") {
      found.formUnion(try files.processes("\(base)/\(name)/cgroup.procs"))
    }
    return found.sorted()
  }

  public func kill(_ name: String) throws(SyscallError) {
    for pid in try processes(in: name) {
      do {
        let process = try Pidfd(opening: pid)
        // Between the list and the descriptor the pid may have passed to another process: look again.
        if try processes(in: name).contains(pid) { try process.signal(SIGKILL) }
      } catch  where error.errno == ESRCH {
        continue
      }
    }
  }

  public func remove(_ name: String) throws(SyscallError) {
    for base in all where kernel.exists("\(base)/\(name)") {
      try kernel.removeDirectory("\(base)/\(name)")
    }
  }

  public func list() -> [String] {
    var found: Set<String> = []
    for base in all {
      for name in (try? kernel.names(in: base)) ?? [] where kernel.exists("\(base)/\(name)/cgroup.procs") {
        found.insert(name)
      }
    }
    return found.sorted()
  }

  public func usage(of name: String) -> CgroupUsage {
    var usage = CgroupUsage()
    if let directory = directory("cpuacct", name) {
      usage.cpuMicroseconds = files.number("\(directory)/cpuacct.usage").map { $0 / 1000 }
      usage.cpuUserMicroseconds = files.number("\(directory)/cpuacct.usage_user").map { $0 / 1000 }
      usage.cpuSystemMicroseconds = files.number("\(directory)/cpuacct.usage_sys").map { $0 / 1000 }
    }
    if let directory = directory("cpu", name) {
      let table = files.table("\(directory)/cpu.stat")
      usage.throttledPeriods = table["nr_throttled"]
      usage.throttledMicroseconds = table["throttled_time"].map { $0 / 1000 }
    }
    if let directory = directory("memory", name) {
      let table = files.table("\(directory)/memory.stat")
      usage.memoryTotal = files.number("\(directory)/memory.usage_in_bytes")
      usage.memory = usage.memoryTotal.map { $0 - min($0, table["total_inactive_file"] ?? 0) }
      usage.memoryPeak = files.number("\(directory)/memory.max_usage_in_bytes")
      // Without a limit v1 shows the largest number of whole pages.
      usage.memoryLimit = files.number("\(directory)/memory.limit_in_bytes").flatMap { $0 > 1 << 60 ? nil : $0 }
      usage.memoryAnonymous = table["total_rss"]
      usage.memoryFile = table["total_cache"]
      usage.memoryKernel = files.number("\(directory)/memory.kmem.usage_in_bytes")
      usage.oomKills = files.table("\(directory)/memory.oom_control")["oom_kill"]
    }
    if let directory = directory("pids", name) {
      usage.pids = files.number("\(directory)/pids.current")
      usage.pidsLimit = files.number("\(directory)/pids.max")
      usage.pidsRefused = files.table("\(directory)/pids.events")["max"]
    }
    return usage
  }

  public func paths(of name: String) -> [String] {
    all.map { "\($0)/\(name)" }.filter { kernel.exists($0) }
  }

  public func removeBase() throws(SyscallError) {
    for base in all where kernel.exists(base) { try kernel.removeDirectory(base) }
  }
}
