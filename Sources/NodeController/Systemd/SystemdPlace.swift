// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel

/// A sub-system's place as a transient service of systemd, which holds its processes together, keeps its limits, and
/// orders it at the machine's shutdown. Its keeper is the service's main process.
struct SystemdPlace: SubsystemPlace {
  let backend = SubsystemBackend.transient
  private let prefix: String
  private let harness: String
  private let cgroups: UnifiedCgroups<LiveKernel>
  /// This process's network namespace, where that is not systemd's.
  private let namespace: String?
  static let slice = "nodeagent.slice"

  /// - Parameters:
  ///   - harness: the path of `nodeagent-harness`.
  ///   - mount: where cgroup v2 is mounted.
  init(instance: Instance, harness: String, mount: String) {
    prefix = instance.root == "/" ? "nodeagent-subsystem-" : "nodeagent-\(instance.id)-subsystem-"
    self.harness = harness
    let (own, first) = ("/proc/\(getpid())/ns/net", "/proc/1/ns/net")
    namespace = Self.inode(own) == Self.inode(first) ? nil : own
    cgroups = UnifiedCgroups(parent: mount, base: Self.slice, kernel: LiveKernel())
  }

  private static func inode(_ path: String) -> UInt64? {
    var info = stat()
    return stat(path, &info) == 0 ? UInt64(info.st_ino) : nil
  }

  private func unit(_ name: String) -> SystemdUnit { SystemdUnit(name: "\(prefix)\(name).service") }

  func startKeeper(_ spec: SubsystemSpec, channel: SharedDescriptor) throws -> (HeldProcess, [SharedDescriptor]) {
    let unit = unit(spec.name)
    // What is left of an earlier one would stand in the way.
    try unit.remove()
    try unit.start { message in
      try common(message, "Sub-system \(spec.name)", [harness, "keep", spec.name])
      try message.property("Type", "s") { try $0.add("exec") }
      try message.property("StandardInputFileDescriptor", "h") { try $0.add(descriptor: channel.raw) }
      try message.property("OOMPolicy", "s") { try $0.add("continue") }
      try message.property("TimeoutStopUSec", "t") { try $0.add(UInt64(max(1, spec.stopTimeout)) * 1000) }
      // systemd stops in the reverse order when the machine goes down.
      let before = spec.dependencies.map { self.unit($0).name }
      if !before.isEmpty {
        try message.property("After", "as") { list in
          try list.container("a", "s") { names in for name in before { try names.add(name) } }
        }
      }
      try limits(spec.limits, message)
    }
    withExtendedLifetime(channel) {}
    let pid = try unit.properties().pid
    guard pid > 0 else { throw RPCError(.startFailed, "\(unit.name) ended before it had begun") }
    return (try HeldProcess(opening: pid), [])
  }

  private func common(_ message: borrowing BusMessage, _ about: String, _ command: [String]) throws {
    try message.property("Description", "s") { try $0.add(about) }
    try message.property("Slice", "s") { try $0.add(Self.slice) }
    try message.property("CollectMode", "s") { try $0.add("inactive-or-failed") }
    // As a child of this process would.
    if let namespace { try message.property("NetworkNamespacePath", "s") { try $0.add(namespace) } }
    for name in ["MemoryAccounting", "CPUAccounting", "TasksAccounting"] {
      try message.property(name, "b") { try $0.add(true) }
    }
    try message.property("ExecStart", "a(sasb)") { list in
      try list.container("a", "(sasb)") { list in
        try list.container("r", "sasb") { entry in
          try entry.add(command[0])
          try entry.container("a", "s") { words in for word in command { try words.add(word) } }
          try entry.add(false)
        }
      }
    }
  }

  private func limits(_ limits: SubsystemSpec.Limits, _ message: borrowing BusMessage) throws {
    if let memory = limits.memory { try message.property("MemoryMax", "t") { try $0.add(memory) } }
    if let cpu = limits.cpuMilli { try message.property("CPUQuotaPerSecUSec", "t") { try $0.add(cpu * 1000) } }
    if let pids = limits.pids { try message.property("TasksMax", "t") { try $0.add(pids) } }
  }

  func run(_ command: [String], of spec: SubsystemSpec, as user: SubsystemUser, timeout: Int64) throws -> String {
    let unit = SystemdUnit(name: "\(prefix)\(spec.name)-\(UInt32.random(in: 0 ... .max)).service")
    let output = SharedDescriptor(Descriptor(owning: cl_memfd("command")))
    let begin = Clock.monotonicNanoseconds()
    do {
      try unit.start { message in
        try common(message, "A command of the sub-system \(spec.name)", command)
        try message.property("Type", "s") { try $0.add("oneshot") }
        try message.property("User", "s") { try $0.add("\(user.uid)") }
        try message.property("Group", "s") { try $0.add("\(user.gid)") }
        try message.property("NoNewPrivileges", "b") { try $0.add(true) }
        try message.property("WorkingDirectory", "s") { try $0.add(spec.directory) }
        try message.property("TimeoutStartUSec", "t") { try $0.add(UInt64(max(1, timeout)) * 1000) }
        for name in ["StandardOutputFileDescriptor", "StandardErrorFileDescriptor"] {
          try message.property(name, "h") { try $0.add(descriptor: output.raw) }
        }
        try message.property("Environment", "as") { list in
          try list.container("a", "s") { names in
            for (name, value) in spec.environment { try names.add("\(name)=\(value)") }
          }
        }
      }
    } catch let error as RPCError where error.code == .startFailed {
      // systemd may have forgotten how it ended by the time it could be asked.
      let took = Int64((Clock.monotonicNanoseconds() - begin) / 1_000_000)
      if error.data?["result"]?.stringValue == "timeout" || took >= timeout {
        throw RPCError(.deadlineExceeded, "\(spec.name): \(command[0]) did not end within \(timeout) ms")
      }
      throw RPCError(
        .startFailed, "\(spec.name): \(command.joined(separator: " ")) failed: \(SubsystemCommand.end(of: output))")
    }
    return SubsystemCommand.end(of: output)
  }

  func processes(of name: String) throws -> [Int32] {
    guard cgroups.list().contains(unit(name).name) else { return [] }
    do {
      return try cgroups.processes(in: unit(name).name)
    } catch {
      // systemd removes it with its last process.
      if error.errno == ENOENT || error.errno == ENODEV { return [] }
      throw error
    }
  }

  func usage(of name: String) -> CgroupUsage { cgroups.usage(of: unit(name).name) }
  func oomKills(of name: String) -> UInt64 { cgroups.oomKills(of: unit(name).name) }
  func remove(_ name: String) throws { try unit(name).remove() }
}
