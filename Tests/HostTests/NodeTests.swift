// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel
import Testing

/// The node's life as its users see it.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct NodeTests {
  @Test func `an unavailable node takes no new containers, keeps what runs, and remembers it`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    #expect(try agent.cli("run", "--name", "c1", "bb").code == 0)
    #expect(try agent.cli("node").code == 0)
    #expect(try agent.cli("node", "mark-unavailable", "--reason", "a new disk").code == 0)
    let refused = try agent.cli("run", "--name", "c2", "bb")
    #expect(refused.code == 5)
    #expect(
      refused.error.contains("the node is marked unavailable (a new disk) and takes no new containers"), "\(refused)")
    #expect(try agent.view("c1").state == .available)
    #expect(try agent.cli("restart", "c1").code == 0)
    try agent.killNodeController()
    try agent.startDaemon()
    let status = try agent.cli("node", "status")
    #expect(status.code == 5)
    #expect(status.output.contains("reason      a new disk"), "\(status)")
    #expect(try agent.cli("run", "--name", "c2", "bb").code == 5)
    #expect(try agent.cli("ps", "-a", "-q").output == "c1\n")
    #expect(try agent.cli("node", "mark-available").code == 0)
    #expect(try agent.cli("run", "--name", "c2", "bb").code == 0)
    let events = try agent.cli("events", "--kind", "node").output
    #expect(events.contains("node node  unavailable: a new disk"), "\(events)")
  }

  @Test func `a drained node has stopped its containers`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    for name in ["a", "b"] { #expect(try agent.cli("run", "--name", name, "--restart", "always", "bb").code == 0) }
    let drained = try agent.cli("node", "mark-unavailable", "--stop")
    #expect(drained.code == 0, "\(drained)")
    for name in ["a", "b"] { #expect(try agent.view(name).state == .stopped) }
  }

  @Test func `the node says what it is`() throws {
    let agent = try TestAgent()
    // The monitor may take a moment longer than those who are waited for.
    try agent.eventually("all of its own parts are there") {
      try agent.call(NodeMethods.status, node: true).subsystems == ["available": 3]
    }
    let status = try agent.call(NodeMethods.status, node: true)
    #expect(status.state == .available)
    let boot = try FileSystem.readText("/proc/sys/kernel/random/boot_id").filter { !$0.isWhitespace }
    #expect(status.identity.bootID == boot)
    #expect(try Command.run(["hostname"]).output == status.identity.hostname + "\n")
    #expect(status.inventory.processors == Int(try Command.run(["nproc", "--all"]).output.filter(\.isNumber)))
    #expect(status.inventory.memory > 64 << 20)
    if let machine = try? FileSystem.readText("/etc/machine-id").filter({ !$0.isWhitespace }), !machine.isEmpty {
      #expect(status.identity.machineID?.count == 32)
      #expect(status.identity.machineID != machine)
    }
  }

  @Test func `events that a full disk takes none of are counted, and the next one that fits tells so`() throws {
    let agent = try TestAgent()
    agent.endDaemon(keepContainers: true)
    let directory = agent.instance.events
    #expect(try Command.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0750", "none", directory]).code == 0)
    defer { _ = try? Command.run(["umount", directory]) }
    try agent.startDaemon()
    let follower = try agent.node()
    _ = try follower.subscribe(EventMethods.topic, .init(kinds: ["node"]))
    _ = try Command.run(["sh", "-c", "dd if=/dev/zero of=\(directory)/fill bs=1k count=64 2>/dev/null; true"])
    for number in 0..<200 {
      #expect(try agent.cli("node", "mark-unavailable", "--reason", "full-\(number)").code == 0)
      #expect(try agent.cli("node", "mark-available").code == 0)
      // What is left of the last block takes some.
      if try agent.call(EventMethods.list, .init(), node: true).allSatisfy({ $0.cause != "full-\(number)" }) { break }
    }
    let held = try agent.call(EventMethods.list, .init(), node: true)
    // Those who follow are told all the same.
    #expect(try agent.cli("node", "mark-unavailable", "--reason", "followed").code == 0)
    while case .event(let event)? = try follower.next(AgentEvent.self) { if event.cause == "followed" { break } }
    try FileSystem.remove("\(directory)/fill")
    #expect(try agent.cli("node", "mark-available").code == 0)
    let after = try agent.call(EventMethods.list, .init(), node: true)
    #expect(Array(after.prefix(held.count)) == held)
    let lost = try #require(after.last)
    #expect(lost.event == "lost" && lost.severity == .error, "\(after.suffix(3))")
    // What is missing in between is as many as it says.
    let missing = after.last!.sequence - UInt64(after.count)
    #expect(lost.cause == "\(missing) events could not be written to the disk", "\(lost) \(after.count)")
    try agent.killNodeController()
    try agent.startDaemon()
    #expect(try agent.call(EventMethods.list, .init(), node: true).starts(with: after))
    agent.endDaemon(keepContainers: false)
  }
}
