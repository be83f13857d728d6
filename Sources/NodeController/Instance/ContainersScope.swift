// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel

/// The systemd scope below which the containers' cgroups are when systemd runs the agent as a service.
///
/// Not the service's own cgroup: as long as that handed controllers to containers, systemd could not put a new main
/// process into it (cgroups(7), "no internal processes"), and the agent could not be restarted or upgraded while
/// containers run. The scope is delegated (systemd.resource-control(5), `Delegate=`) and lives as long as a process is
/// in it: a container, or the sleeper that it begins with.
struct ContainersScope: Sendable {
  let name: String
  let mount: String

  /// - Parameter mount: where cgroup v2 is mounted.
  init(instance: Instance, mount: String) {
    name = instance.root == "/" ? "nodeagent-containers.scope" : "nodeagent-\(instance.id)-containers.scope"
    self.mount = mount
  }

  private static let slice = "nodeagent.slice"
  /// As `/proc/PID/cgroup` shows it.
  var path: String { "/\(Self.slice)/\(name)" }
  private var directory: String { "\(mount)\(path)" }
  private var sleeper: String { "\(directory)/sleeper" }

  private var exists: Bool {
    (try? FileSystem.readText("\(directory)/cgroup.events"))?.contains("populated 1") ?? false
  }

  /// Makes sure that it is there.
  func ensure() throws {
    if exists { return }
    let output = SharedDescriptor(Descriptor(owning: cl_memfd("systemd-run")))
    let child = try Systemctl.start(
      "/usr/bin/systemd-run",
      [
        "--scope", "--quiet", "--collect", "--unit=\(name)", "--slice=\(Self.slice)",
        "--description=Containers of nodeagent", "--property=Delegate=yes",
        // At shutdown the agent stops the containers first, each as its bundle says.
        "--property=Before=nodeagent.service", "--property=Before=nodeagent-container.service",
        "/usr/bin/sleep", "infinity",
      ], output: output)
    let pid = child.pidfd.pid
    let deadline = Clock.monotonicNanoseconds() + 30_000_000_000
    while try !FileSystem.readText("/proc/\(pid)/cgroup").contains("0::\(path)\n") {
      if try child.pidfd.waitForEnd(milliseconds: 5) || Clock.monotonicNanoseconds() > deadline {
        try? child.pidfd.signal(SIGKILL)
        try WaitedChildren.reap(child.pidfd)
        lseek(output.raw, 0, SEEK_SET)
        let text = try FileSystem.readAll(output.raw, limit: 4096, object: "systemd-run")
        throw RPCError(
          .unavailable, "systemd did not make the scope \(name): \(String(decoding: text, as: UTF8.self).prefix(500))")
      }
    }
    // Out of the way: a group that hands controllers down has no processes of its own.
    try FileSystem.makeDirectory(sleeper, mode: 0o755)
    try FileSystem.write("\(pid)", toExisting: "\(sleeper)/cgroup.procs")
  }

  /// Lets systemd remove it: without the sleeper it is empty once there are no containers.
  func end() throws {
    guard let text = try? FileSystem.readText("\(sleeper)/cgroup.procs") else { return }
    for pid in text.split(separator: "\n").compactMap({ Int32($0) }) {
      let process = try Pidfd(opening: pid)
      guard try FileSystem.readText("\(sleeper)/cgroup.procs").split(separator: "\n").contains("\(pid)") else {
        continue
      }
      try process.signal(SIGKILL)
      // When it is this process's child; else systemd reaps it.
      _ = try? WaitedChildren.reap(process)
    }
  }
}
