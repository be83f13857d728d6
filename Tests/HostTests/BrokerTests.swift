// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// The privileged door, tried by those for whom it is not.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct BrokerTests {
  @Test func `nobody but the running container controller gets a host channel`() throws {
    let agent = try TestAgent()
    // As root, who has every other role.
    let error = #expect(throws: RPCError.self) { _ = try agent.node().open(HostMethods.open, Empty()) }
    #expect(error?.code == .permissionDenied)
    // As the container controller's own user, but another process.
    let status = try FileSystem.readText("/proc/\(agent.containerControllerPID)/status")
    func id(_ kind: String) throws -> Substring {
      try #require(status.split(separator: "\n").first { $0.hasPrefix(kind) }?.split(separator: "\t").dropFirst().first)
    }
    let line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"host.open\"}\n"
    let result = try Command.run(
      [
        "setpriv", "--reuid=\(try id("Uid:"))", "--regid=\(try id("Gid:"))", "--clear-groups", "socat", "-t10", "-",
        "UNIX-CONNECT:\(agent.instance.nodeSocket)",
      ],
      input: line)
    #expect(result.output.contains("\"code\":1001"), "\(result)")
    #expect(result.output.contains("running container controller"))
  }

  @Test func `others cannot connect, and observers cannot change anything`() throws {
    let agent = try TestAgent()
    let stranger = try Command.run(
      [
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "socat", "-",
        "UNIX-CONNECT:\(agent.instance.containerSocket)",
      ])
    #expect(stranger.code != 0)
    chmod(agent.instance.containerSocket, 0o666)
    let refused = try Command.run(
      [
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "socat", "-t10", "-",
        "UNIX-CONNECT:\(agent.instance.containerSocket)",
      ],
      input:
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"bundle.remove\",\"params\":{\"bundle\":\"x\"}}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"container.list\"}\n"
    )
    #expect(refused.output.contains("needs the role operator"))
    #expect(refused.output.contains("\"result\":[]"))
  }

  @Test func `a full disk is an error, and what is there goes on`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    agent.endDaemon(keepContainers: true)
    // A file-system with no room over the controller's state.
    let state = agent.instance.controllerState
    let copy = "\(agent.root)/state-copy"
    #expect(try Command.run(["cp", "-a", state, copy]).code == 0)
    #expect(try Command.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "none", state]).code == 0)
    defer { _ = try? Command.run(["umount", state]) }
    #expect(try Command.run(["sh", "-c", "cp -a \(copy)/. \(state)/ && chown --reference=\(copy) \(state)"]).code == 0)
    try agent.startDaemon()
    #expect(try agent.view("a").state == .available)
    _ = try Command.run(["sh", "-c", "dd if=/dev/zero of=\(state)/fill bs=1k count=64 2>/dev/null; true"])
    let error = #expect(throws: RPCError.self) {
      try agent.call(ContainerMethods.create, ContainerSpec(name: "b", bundle: "bb"))
    }
    #expect(error?.code == .noSpace, "\(error?.message ?? "")")
    #expect(try FileSystem.names(in: agent.instance.containers) == ["a"])
    #expect(try agent.cli("exec", "a", "echo", "on").output == "on\n")
    try FileSystem.remove("\(state)/fill")
    _ = try agent.call(ContainerMethods.create, ContainerSpec(name: "b", bundle: "bb"))
    for name in ["a", "b"] { _ = try agent.call(ContainerMethods.remove, .init(name: name, force: true)) }
    agent.endDaemon(keepContainers: false)
  }
}
