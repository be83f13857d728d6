// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Known ways out of containers that can be tried from inside, or prepared in an image.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct IsolationTests {
  @Test func `run and exec have no capability of any kind, a filter, and no_new_privs`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    for text in [
      try agent.shell("cat /proc/self/status").output, try agent.cli("exec", "a", "cat", "/proc/self/status").output,
    ] {
      for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        #expect(text.contains("\(set):\t0000000000000000"), "\(set)")
      }
      #expect(text.contains("NoNewPrivs:\t1"))
      #expect(text.contains("Seccomp:\t2"))
    }
  }

  @Test func `a granted capability is permitted, and still not inheritable for root`() throws {
    let agent = try TestAgent()
    try agent.importBusybox("capabilities: [CHOWN]")
    let text = try agent.shell("cat /proc/self/status").output
    #expect(text.contains("CapEff:\t0000000000000001"))
    #expect(text.contains("CapInh:\t0000000000000000"))
  }

  @Test func `only the three standard descriptors are open`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    // ls has the directory itself open as 3.
    #expect(try agent.shell("ls /proc/self/fd | tr '\\n' ' '").output == "0 1 2 3 ")
    #expect(try agent.cli("exec", "a", "sh", "-c", "ls /proc/self/fd | tr '\\n' ' '").output == "0 1 2 3 ")
  }

  @Test func `a working directory behind a descriptor is refused`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    for number in 0..<16 {
      for process in ["self", "1"] {
        let result = try agent.cli("exec", "-w", "/proc/\(process)/fd/\(number)", "a", "pwd")
        #expect(result.code != 0, "\(process)/\(number): \(result)")
      }
    }
    #expect(try agent.cli("exec", "-w", "/data", "a", "pwd").output == "/data\n")
  }

  @Test func `hidden paths are hidden and read-only paths read-only`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let result = try agent.shell(
      """
      for p in kcore keys timer_list sched_debug interrupts; do [ -e /proc/$p ] && wc -c < /proc/$p; done
      ls -A /sys/firmware /proc/acpi /proc/scsi 2>/dev/null | grep -v :
      for p in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/drop_caches /sys/kernel/uevent_helper; do
        echo x 2>/dev/null > $p && echo "wrote $p"; done
      echo done
      """)
    #expect(result.output.split(separator: "\n").allSatisfy { $0 == "0" || $0 == "done" }, "\(result)")
  }

  @Test func `what would reach the host is refused by the filter or the kernel`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let result = try agent.shell(
      """
      mount -t tmpfs none /data 2>/dev/null && echo mounted
      umount /proc 2>/dev/null && echo unmounted
      mknod /data/sda b 8 0 2>/dev/null && echo made
      hostname other 2>/dev/null && echo named
      for f in /proc/1/fd/*; do readlink $f && echo saw; head -c 1 $f && echo opened; done 2>/dev/null
      cat /proc/1/environ 2>/dev/null && echo read
      kill -9 1 2>/dev/null; echo alive
      """)
    #expect(result.output == "alive\n", "\(result)")
  }

  @Test func `the host's cgroups cannot be written`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let result = try agent.shell(
      "cat /proc/self/cgroup; find / -name cgroup.procs 2>/dev/null | while read f; do echo 1 > $f && echo wrote; done 2>/dev/null; ls /sys/fs/cgroup"
    )
    #expect(!result.output.contains("wrote"))
    #expect(!result.output.contains("nodeagent"), "\(result)")
  }

  @Test(arguments: ["proc", "sys", "dev", "tmp", "run"])
  func `an image with a link in the place of a mount point is refused, and the host is unchanged`(name: String) throws {
    let agent = try TestAgent()
    let outside = "\(agent.root)/outside"
    mkdir(outside, 0o777)
    try agent.importBusybox { rootfs in
      try FileSystem.removeTree("\(rootfs)/\(name)")
      symlink(outside, "\(rootfs)/\(name)")
    }
    let error = #expect(throws: RPCError.self) {
      try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    }
    #expect(error?.code == .startFailed)
    #expect(error?.message.contains("link") == true, "\(error?.message ?? "")")
    #expect(try FileSystem.names(in: outside).isEmpty)
    #expect(try Leftovers(of: agent) == .none)
  }

  @Test func `files that the agent writes do not follow links of the image`() throws {
    let agent = try TestAgent()
    let outside = "\(agent.root)/outside"
    mkdir(outside, 0o777)
    let names = ["hostname", "hosts", "resolv.conf"]
    try agent.importBusybox { rootfs in
      for name in names { symlink("\(outside)/\(name)", "\(rootfs)/etc/\(name)") }
    }
    let result = try agent.shell("cat /etc/hosts; readlink /etc/hosts")
    #expect(result.output.contains("localhost"))
    #expect(!result.output.contains(outside))
    #expect(try FileSystem.names(in: outside).isEmpty)
  }

  @Test func `a directory that is a link inside the image stays inside`() throws {
    let agent = try TestAgent()
    try agent.importBusybox { rootfs in
      try FileSystem.removeTree("\(rootfs)/etc")
      symlink("/tmp/nodeagent-escape", "\(rootfs)/etc")
    }
    _ = try? agent.shell("true")
    #expect(!FileSystem.exists("/tmp/nodeagent-escape"))
  }

  @Test func `the harness and the agent cannot be overwritten through proc`() throws {
    let agent = try TestAgent()
    func digests() throws -> String {
      try Command.run(["sha256sum", "\(Host.programs)/nodeagent", "\(Host.programs)/nodeagent-harness"]).output
    }
    let before = try digests()
    try agent.importBusybox { rootfs in
      try FileSystem.replace("\(rootfs)/bin/entry", with: Array("#!/proc/self/exe\n".utf8), mode: 0o755)
    }
    _ = try? agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb", command: ["/bin/entry"]))
    let script =
      "for i in $(seq 1 50); do for p in /proc/[0-9]*; do echo x > $p/exe; done; done 2>/dev/null; echo x > /proc/1/exe"
    _ = try agent.call(
      ContainerMethods.run, ContainerSpec(name: "w", bundle: "bb", command: ["/bin/sh", "-c", script]))
    for _ in 0..<20 { _ = try agent.cli("exec", "w", "true") }
    #expect(try digests() == before)
  }

  @Test func `a newcomer's descriptors and memory are closed to the container's root`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let script =
      // Once its program runs, a newcomer is the container's own; before, it is a copy of PID 1.
      "while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *harness*) echo leak $p; head -c 1 $p/mem;; esac; done; done 2>/dev/null"
    _ = try agent.call(
      ContainerMethods.run, ContainerSpec(name: "spy", bundle: "bb", command: ["/bin/sh", "-c", script]))
    for _ in 0..<30 { _ = try agent.cli("exec", "spy", "true") }
    #expect(try agent.cli("logs", "spy").output.isEmpty)
  }

  @Test(arguments: ["1000:", ":5", "0x10", "-1", "4294967296", "root", "65536"])
  func `an odd user is refused by exec`(user: String) throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    let error = #expect(throws: RPCError.self) {
      _ = try agent.containers().open(ContainerMethods.exec, .init(name: "a", command: ["id"], user: user))
    }
    #expect(error?.code == .invalidParams)
  }

  @Test func `floods hit the container's own limits, and the host goes on`() throws {
    let agent = try TestAgent()
    try agent.importBusybox("resources: {memory: 24MiB, pids: 32, tmpfs: 4MiB}\nlog: {segment: 64KiB, segments: 2}")
    let fork = try agent.shell("b() { b | b & }; b; sleep 1; echo over", seconds: 60)
    #expect(!fork.output.isEmpty || fork.code != 0)
    let disk = try agent.shell("dd if=/dev/zero of=/tmp/x bs=1M count=100 2>&1; ls -l /tmp/x")
    #expect(disk.output.contains("No space left"), "\(disk)")
    let log = try agent.cli("run", "--name", "loud", "bb", "--", "/bin/sh", "-c", "yes | head -n 3000000; sleep 100")
    #expect(log.code == 0)
    usleep(2_000_000)
    let state = "\(agent.instance.containers)/loud/state"
    let sizes = try FileSystem.names(in: state).map { try FileSystem.status(of: "\(state)/\($0)").size }
    #expect(sizes.reduce(0, +) < 1 << 20)
    #expect(try agent.view("loud").state.isRunning)
    let large = #expect(throws: RPCError.self) {
      try agent.call(
        ContainerMethods.create,
        ContainerSpec(name: "env", bundle: "bb", environment: ["A": String(repeating: "x", count: 1 << 20)]))
    }
    #expect(large?.code == .invalidParams)
  }
}
