// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// The built-in supervisor's place: a cgroup of the agent's own for each sub-system.
struct SupervisedPlace: SubsystemPlace {
  let cgroups: any CgroupHierarchy
  let harness: SharedDescriptor
  let backend = SubsystemBackend.builtIn

  func startKeeper(_ spec: SubsystemSpec, channel: SharedDescriptor) throws -> (HeldProcess, [SharedDescriptor]) {
    try cgroups.create(
      spec.name,
      limits: CgroupLimits(memory: spec.limits.memory, cpuMilli: spec.limits.cpuMilli, pids: spec.limits.pids))
    do {
      return try startKeeper(inCgroupOf: spec.name, channel: channel)
    } catch {
      do {
        try remove(spec.name)
      } catch let other {
        throw RPCError(.startFailed, "\(error); and its cgroup stays: \(other)")
      }
      throw error
    }
  }

  private func startKeeper(inCgroupOf name: String, channel: SharedDescriptor) throws -> (
    HeldProcess, [SharedDescriptor]
  ) {
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    var request = SpawnRequest(.descriptor(harness), arguments: ["nodeagent-keeper", "keep", name])
    request.descriptors = [(channel, 0), (null, 1), (null, 2)]
    request.newSession = true
    request.workingDirectory = "/"
    request.sharesMemory = true
    let child = try WaitedChildren.start(request)
    if let failure = try SpawnFailure.read(from: child.report) {
      try WaitedChildren.reap(child.pidfd)
      throw failure
    }
    let keeper = HeldProcess(
      Pidfd(pid: child.pidfd.pid, descriptor: try child.pidfd.descriptor.duplicate()), isChild: true)
    do {
      if let entrances = try cgroups.entrances(to: name) { return (keeper, entrances) }
      try cgroups.attach(keeper.pid, to: name)
    } catch {
      try keeper.signal(SIGKILL)
      try WaitedChildren.reap(keeper.pidfd)
      throw error
    }
    return (keeper, [])
  }

  func processes(of name: String) throws -> [Int32] {
    guard cgroups.list().contains(name) else { return [] }
    return try cgroups.processes(in: name)
  }

  func run(_ command: [String], of spec: SubsystemSpec, as user: SubsystemUser, timeout: Int64) throws -> String {
    try SubsystemCommand.run(command, of: spec, as: user, timeout: timeout)
  }

  func usage(of name: String) -> CgroupUsage { cgroups.usage(of: name) }
  func oomKills(of name: String) -> UInt64 { cgroups.oomKills(of: name) }

  func remove(_ name: String) throws {
    // A process that has just ended may still be counted for a moment.
    for attempt in 0... {
      do {
        return try cgroups.remove(name)
      } catch {
        guard error.errno == EBUSY, attempt < 200 else { throw error }
        usleep(5000)
      }
    }
  }
}
