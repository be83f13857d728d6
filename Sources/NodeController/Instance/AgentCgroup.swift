// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// Finds the place of an instance's cgroups and keeps it: an agent that is started again from another login session
/// must find the containers that an earlier one left.
public enum AgentCgroup {
  private static func file(_ instance: Instance) -> String { "\(instance.runDirectory)/cgroup" }

  /// For the node controller: decides and remembers.
  static func prepare(for instance: Instance, scope: ContainersScope?) throws -> any CgroupHierarchy {
    if let scope {
      try scope.ensure()
      try FileSystem.replace(file(instance), with: Array("0::\(scope.path)\n".utf8), mode: 0o644)
      return try open(instance)
    }
    if let known = try? open(instance), !known.list().isEmpty { return known }
    let own = try FileSystem.readText("/proc/self/cgroup")
    try FileSystem.replace(file(instance), with: Array(own.utf8), mode: 0o644)
    let layout = try layout(own)
    guard layout.mode != .none else {
      throw RPCError(.unavailable, "this machine has no cgroups mounted; containers need them for their limits")
    }
    if layout.mode == .unified, let directory = layout.unified { try leave(directory, instance) }
    return try open(instance)
  }

  /// The scope for containers where systemd runs this process as a service with cgroup v2.
  static func scope(for instance: Instance) throws -> ContainersScope? {
    guard ServiceManager().isThere, Systemctl.isThere else { return nil }
    let own = try FileSystem.readText("/proc/self/cgroup")
    guard try layout(own).mode == .unified, own.contains(".service\n") else { return nil }
    return ContainersScope(instance: instance, mount: "/sys/fs/cgroup")
  }

  /// The instance's cgroups as the node controller has decided.
  public static func open(_ instance: Instance) throws -> any CgroupHierarchy {
    makeCgroupHierarchy(layout: try decided(instance), base: instance.cgroup, kernel: LiveKernel())
  }

  static func decided(_ instance: Instance) throws -> CgroupLayout {
    try layout(try FileSystem.readText(file(instance)))
  }

  public static func layout(_ own: String) throws(SyscallError) -> CgroupLayout {
    CgroupLayout.parse(mountinfo: try FileSystem.readText("/proc/self/mountinfo"), cgroup: own)
  }

  /// True when the caller is in a cgroup v2 group with other processes, as in a login session: then the agent needs one
  /// of its own.
  public static var isShared: Bool {
    guard let own = try? FileSystem.readText("/proc/self/cgroup"), let layout = try? layout(own),
      layout.mode == .unified,
      let directory = layout.unified, FileSystem.exists("\(directory)/cgroup.type"),
      let processes = try? FileSystem.readText("\(directory)/cgroup.procs")
    else { return false }
    return processes.split(separator: "\n").count > 1
  }

  /// In cgroup v2 a group with processes cannot hand controllers down: the agent moves to a leaf of its own.
  private static func leave(_ directory: String, _ instance: Instance) throws {
    guard FileSystem.exists("\(directory)/cgroup.type") else { return }  // the root group may have processes
    let leaf = "\(directory)/\(instance.cgroup)-agent"
    try FileSystem.makeDirectory(leaf, mode: 0o755)
    try FileSystem.write("\(getpid())", toExisting: "\(leaf)/cgroup.procs")
    let left = try FileSystem.readText("\(directory)/cgroup.procs")
    if !left.isEmpty {
      throw RPCError(
        .unavailable,
        "the cgroup \(directory) has other processes (\(left.split(separator: "\n").joined(separator: ", "))), so it cannot hand controllers to containers; start the agent in a cgroup of its own: systemd-run --scope -p Delegate=yes nodeagent up"
      )
    }
  }
}
