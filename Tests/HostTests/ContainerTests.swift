// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import Glibc
import JSONRPC
import LinuxKernel
import Testing

@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct ContainerTests {
  @Test func `the walk of an admin, by the command line`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(command: "[/bin/sh, -c, \"echo hello; echo oops >&2; exec sleep 1000\"]")
    try expect(agent.cli("run", "--name", "web", "bb"), output: "web\n")
    let table = try agent.cli("ps").output.split(separator: "\n")
    #expect(table.count == 2)
    #expect(table[0].hasPrefix("NAME  BUNDLE  STATE      UP"))
    #expect(table[1].contains("web   bb:1    available"))
    try agent.eventually("the log") { try agent.cli("logs", "web").output == "hello\n" }
    try expect(agent.cli("logs", "web"), error: "oops\n")
    try expect(agent.cli("logs", "--stream", "stderr", "web"), error: "oops\n")
    try expect(agent.cli("exec", "web", "echo", "a b"), output: "a b\n")
    try expect(agent.cli("exec", "web", "sh", "-c", "exit 7"), code: 7)
    let killed = try agent.cli("exec", "web", "sh", "-c", "kill -9 $$")
    #expect(killed.code == 137, "\(killed)")
    try expect(agent.cli("exec", "-i", "web", "cat", input: "through"), output: "through")
    try expect(agent.cli("stop", "web"), output: "web\n")
    #expect(try agent.cli("ps").output.split(separator: "\n").count == 1)
    #expect(try agent.cli("ps", "-a").output.contains("stopped"))
    try expect(agent.cli("start", "web"), code: 0)
    try expect(agent.cli("rm", "web"), code: 5)
    try expect(agent.cli("rm", "-f", "web"), code: 0)
    try expect(agent.cli("inspect", "web"), code: 4)
    try expect(agent.cli("bundle", "rm", "bb"), code: 0)
    try expect(agent.cli("down"), code: 0)
    try expect(agent.cli("ps"), code: 3)
  }

  @Test func `the same walk with one line of JSON each`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    func line(_ method: String, _ params: String) throws -> JSONValue {
      let request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\(method)\",\"params\":\(params)}\n"
      let answer = try Command.run(
        ["socat", "-t30", "-", "UNIX-CONNECT:\(agent.instance.containerSocket)"], input: request)
      return try JSONCoding.decode(JSONValue.self, from: Array(answer.output.utf8))
    }
    #expect(try line("container.create", "{\"name\":\"a\",\"bundle\":\"bb\"}")["result"]?["state"] == "created")
    #expect(try line("container.start", "{\"name\":\"a\"}")["result"]?["state"] == "available")
    #expect(try line("container.list", "{}")["result"]?.arrayValue?.count == 1)
    let executed = try line(
      "container.execute",
      "{\"name\":\"a\",\"command\":[\"sh\",\"-c\",\"cat; echo oops >&2; exit 3\"],\"input\":\"in\"}")["result"]
    #expect(executed?["code"] == 3)
    #expect(executed?["output"] == "in")
    #expect(executed?["error"] == "oops\n")
    #expect(
      try line("container.execute", "{\"name\":\"a\",\"command\":[\"sleep\",\"100\"],\"timeout\":100}")["result"]?[
        "signal"] == 9)
    let archive = "\(agent.root)/again.tar"
    #expect(try agent.cli("bundle", "build", "-o", archive, "\(agent.root)/bundle-bb").code == 0)
    #expect(try line("bundle.importFile", "{\"path\":\"\(archive)\"}")["result"]?["name"] == "bb")
    #expect(try line("container.stats", "{}")["result"]?.arrayValue?.count == 1)
    #expect(try line("container.inspect", "{\"name\":\"a\"}")["result"]?["summary"]?["name"] == "a")
    #expect(try line("container.stop", "{\"name\":\"a\",\"timeout\":100}")["result"]?["state"] == "stopped")
    #expect(try line("container.restart", "{\"name\":\"a\"}")["result"]?["state"] == "available")
    #expect(try line("container.kill", "{\"name\":\"a\"}")["result"]?["state"] == "stopped")
    #expect(try line("container.remove", "{\"name\":\"a\"}")["result"] == [:])
    #expect(try line("container.inspect", "{\"name\":\"a\"}")["error"]?["code"] == 1005)
    #expect(try line("bundle.list", "{}")["result"]?.arrayValue?.count == 1)
    #expect(try (line("events.list", "{}")["result"]?.arrayValue?.count ?? 0) > 5)
    #expect(try line("rpc.discover", "{}")["result"]?["openrpc"] != nil)
  }

  @Test func `ids, namespaces and privilege are as promised`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let view = try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    let controller = try FileSystem.readText("/proc/\(agent.containerControllerPID)/status")
    #expect(controller.contains("CapEff:\t0000000000000000"))
    #expect(controller.contains("CapPrm:\t0000000000000000"))
    #expect(controller.contains("CapBnd:\t0000000000000000"))
    #expect(!controller.contains("Uid:\t0\t"))
    let node = try FileSystem.readText("/proc/\(agent.nodeControllerPID)/status")
    #expect(!node.contains("CapBnd:\t000001ffffffffff"))
    #expect(node.contains("NoNewPrivs:\t1"))
    try expect(agent.cli("exec", "a", "id", "-u"), output: "0\n")
    let pid = try #require(view.pid)
    let inside = try FileSystem.readText("/proc/\(pid)/status")
    #expect(inside.contains("Uid:\t\(view.firstUID)\t"))
    #expect(view.firstUID >= 0x1000_0000)
    for namespace in ["user", "pid", "mnt", "uts", "ipc", "net", "cgroup"] {
      #expect(try Self.namespace(pid, namespace) != Self.namespace(getpid(), namespace), "\(namespace)")
    }
    try expect(agent.cli("exec", "a", "hostname"), output: "a\n")
  }

  private static func namespace(_ pid: Int32, _ kind: String) throws -> UInt64 {
    let file = try FileSystem.open("/proc/\(pid)/ns/\(kind)", flags: O_RDONLY)
    return try FileSystem.status(of: file.raw).inode
  }

  @Test func `a container over its memory is told apart from other failures`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(
      ContainerMethods.run,
      ContainerSpec(
        name: "hog", bundle: "bb", command: ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"],
        resources: Resources(memory: 8 << 20)))
    let end = try agent.call(ContainerMethods.wait, .init(name: "hog"))
    #expect(end.state == .failed)
    #expect(end.outOfMemory)
    #expect(try agent.cli("ps").output.contains("failed: out of memory"))
    _ = try agent.call(
      ContainerMethods.run, ContainerSpec(name: "bad", bundle: "bb", command: ["/bin/sh", "-c", "kill -9 $$"]))
    let other = try agent.call(ContainerMethods.wait, .init(name: "bad"))
    #expect(!other.outOfMemory)
    #expect(other.reason == "ended by SIGKILL")
    #expect(other.exitSignal == 9)
  }

  @Test func `a container over its pids cannot fork, and the host can`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let result = try agent.shell(
      "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done 2>&1; wait", "--pids", "12")
    #expect(result.output.contains("can't fork") || result.error.contains("can't fork"), "\(result)")
    #expect(try Command.run(["true"]).code == 0)
  }

  @Test func `a container that is held to half a processor uses half of one`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(
      ContainerMethods.run,
      ContainerSpec(
        name: "busy", bundle: "bb", command: ["/bin/sh", "-c", "while :; do :; done"],
        resources: Resources(cpuMilli: 500)))
    func cpu() throws -> (UInt64, UInt64) {
      let stats = try #require(try agent.call(ContainerMethods.stats, .init()).first)
      return (Clock.monotonicNanoseconds(), try #require(stats.usage.cpuMicroseconds))
    }
    let before = try cpu()
    usleep(3_000_000)
    let after = try cpu()
    let share = Double(after.1 - before.1) * 1000 / Double(after.0 - before.0)
    #expect((0.3...0.6).contains(share), "\(share)")
  }

  @Test func `an endpoint is reached on the node, from nowhere else, and is gone with its container`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(
      command: "[/bin/httpd, -f, -p, \"80\", -h, /etc]", "endpoints:\n  - {name: http, port: 80, publish: 0}")
    let view = try agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
    let port = try #require(view.endpoints.first?.hostPort)
    func get(_ url: String) throws -> Command {
      try agent.inside(["curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", url])
    }
    try agent.eventually("the server") { try get("http://127.0.0.1:\(port)/hostname").output == "200" }
    // Another container reaches neither the first one's address nor the node's services.
    let address = try #require(view.address)
    let other = try agent.shell("nc -w 2 \(address) 80 </dev/null; echo $?")
    #expect(!other.output.hasSuffix("0\n"), "\(other)")
    let taken = #expect(throws: RPCError.self) {
      try agent.call(ContainerMethods.run, ContainerSpec(name: "two", bundle: "bb", publish: ["http": port]))
    }
    #expect(taken?.code == .alreadyExists)
    try expect(agent.cli("ps", "-a", "-q"), output: "web\n")
    _ = try agent.call(ContainerMethods.stop, .init(name: "web", timeout: 100))
    #expect(try get("http://127.0.0.1:\(port)/").output == "000")
  }

  @Test func `an endpoint answers at once after a restart`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(
      command: "[/bin/httpd, -f, -p, \"80\", -h, /etc]", "endpoints:\n  - {name: http, port: 80, publish: 8099}")
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
    for _ in 0..<3 {
      // One connection, so that the node knows where the address is.
      try agent.eventually("the server") {
        try agent.inside(["curl", "-s", "-m", "1", "http://127.0.0.1:8099/hostname"]).output == "web\n"
      }
      _ = try agent.call(ContainerMethods.restart, .init(name: "web", timeout: 100))
    }
    // A retry after a lost packet comes after a second; four lost ones fail.
    try agent.eventually("the server", seconds: 4) {
      try agent.inside(["curl", "-s", "-m", "1", "http://127.0.0.1:8099/hostname"]).output == "web\n"
    }
  }

  @Test func `a stop that is not heeded ends by force`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(command: "[/bin/sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]")
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "deaf", bundle: "bb"))
    let view = try agent.call(ContainerMethods.stop, .init(name: "deaf", timeout: 300))
    #expect(view.state == .stopped)
    #expect(view.exitSignal == 9)
  }

  @Test func `a graceful stop keeps the workload's own code`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(command: "[/bin/sh, -c, \"trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done\"]")
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "kind", bundle: "bb"))
    usleep(200_000)
    let view = try agent.call(ContainerMethods.stop, .init(name: "kind"))
    #expect(view.exitCode == 3)
    try expect(agent.cli("logs", "kind"), output: "bye\n")
  }

  @Test func `the restart policy starts it again, up to its limit`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(command: "[/bin/false]", "restart: {policy: on-failure, limit: 3}")
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "flaky", bundle: "bb"))
    let end = try agent.call(ContainerMethods.wait, .init(name: "flaky"))
    #expect(end.restarts == 3)
    #expect(end.state == .failed)
    #expect(end.reason == "exited with code 1")
  }

  @Test func `readiness is what the workload says`() throws {
    let agent = try TestAgent()
    // busybox cannot write to abstract sockets: what never says that it is ready is never available.
    try agent.importBusybox("readiness: notify")
    let view = try agent.call(ContainerMethods.run, ContainerSpec(name: "quiet", bundle: "bb"))
    #expect(view.state == .initializing)
    try expect(agent.cli("exec", "quiet", "grep", "-c", "nodeagent/notify", "/proc/net/unix"), output: "1\n")
  }

  @Test(arguments: [
    (["/nonexistent"], "No such file or directory"), (["nonexistent"], "looking nonexistent up in PATH"),
    (["/etc"], "Permission denied"),
  ])
  func `a command that cannot run is an error that says why, and leaves nothing`(command: [String], words: String)
    throws
  {
    let agent = try TestAgent()
    try agent.importBusybox()
    let error = #expect(throws: RPCError.self) {
      try agent.call(ContainerMethods.run, ContainerSpec(name: "x", bundle: "bb", command: command))
    }
    #expect(error?.code == .startFailed)
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    #expect(try agent.call(ContainerMethods.list, .init()).isEmpty)
    #expect(try FileSystem.names(in: agent.instance.containers).isEmpty)
  }

  @Test func `a create and a destroy that race end in a clean state`() async throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let path = agent.instance.containerSocket
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<40 {
        group.addTask {
          guard let client = try? RPCClient(path: path) else { return }
          if index % 2 == 0 {
            _ = try? client.call(ContainerMethods.run, ContainerSpec(name: "r\(index % 4)", bundle: "bb"))
          } else {
            _ = try? client.call(ContainerMethods.remove, .init(name: "r\(index % 4 - 1)", force: true))
          }
        }
      }
    }
    for view in try agent.call(ContainerMethods.list, .init()) {
      #expect([.available, .created, .stopped].contains(view.state), "\(view.name) \(view.state) \(view.reason ?? "")")
      _ = try agent.call(ContainerMethods.remove, .init(name: view.name, force: true))
    }
    #expect(try FileSystem.names(in: agent.instance.containers).isEmpty)
  }

  @Test func `logs are filtered, limited and followed`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(
      ContainerMethods.run,
      ContainerSpec(
        name: "talk", bundle: "bb",
        command: ["/bin/sh", "-c", "for i in $(seq 1 500); do echo line $i; done; sleep 1; echo last"]))
    let followed = try agent.cli("logs", "-f", "talk")
    #expect(followed.code == 0)
    let lines = followed.output.split(separator: "\n")
    #expect(lines.count == 501)
    #expect(lines.last == "last")
    try expect(agent.cli("logs", "-n", "2", "talk"), output: "line 500\nlast\n")
    #expect(try agent.cli("logs", "--grep", "line 49", "talk").output.split(separator: "\n").count == 11)
    #expect(try agent.cli("logs", "--since", "2100-01-01", "talk").output.isEmpty)
    try expect(agent.cli("logs", "--since", "soon", "talk"), code: 1)
    let json = try agent.cli("logs", "--json", "-n", "1", "talk").output
    #expect(try JSONCoding.decode(LogEntry.self, from: Array(json.utf8)).text == "last")
  }

  @Test func `a log that fills its segments is rotated, and the reader gets the rest`() throws {
    let agent = try TestAgent()
    try agent.importBusybox("log: {segment: 64KiB, segments: 2}")
    let result = try agent.shell("seq 1 40000")
    #expect(result.code == 0)
    #expect(result.output.hasSuffix("40000\n"))
  }
}
