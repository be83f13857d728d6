// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct RecoveryTests {
  static let web = (
    command: "[/bin/httpd, -f, -p, \"80\", -h, /etc]",
    lines: "endpoints:\n  - {name: http, port: 80, publish: 0}\nresources: {memory: 16MiB}"
  )

  @Test func `a running container goes on through the death of both controllers, and is adopted`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(command: Self.web.command, Self.web.lines)
    let before = try agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
    let port = try #require(before.endpoints.first?.hostPort)
    func answers() throws -> Bool {
      try agent.inside([
        "curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:\(port)/hostname",
      ]).output == "200"
    }
    try agent.eventually("the server") { try answers() }
    for round in 0..<Host.rounds(6) {
      if round % 3 != 1 { try agent.killContainerController() }
      if round % 3 != 0 {
        try agent.killNodeController()
        #expect(try answers())
        try agent.startDaemon()
      }
      let after = try agent.view("web")
      #expect(after.state == .available)
      #expect(after.pid == before.pid)
      #expect(after.address == before.address)
      #expect(after.endpoints == before.endpoints)
      #expect(after.memoryLimit == 16 << 20)
      #expect(after.memory != nil)
      #expect(try answers())
      #expect(try agent.cli("exec", "web", "echo", "still").output == "still\n")
    }
    let end = try agent.call(ContainerMethods.stop, .init(name: "web"))
    #expect(end.state == .stopped)
    #expect(end.exitSignal == SIGTERM)
    _ = try agent.call(ContainerMethods.remove, .init(name: "web"))
    #expect(try Leftovers(of: agent) == .none)
  }

  @Test func `no line of the log is lost while no controller lives`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(
      command: "[/bin/sh, -c, \"i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); sleep 0.01; done\"]")
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "count", bundle: "bb"))
    for _ in 0..<Host.rounds(4) {
      usleep(300_000)
      try agent.killContainerController()
    }
    _ = try agent.call(ContainerMethods.wait, .init(name: "count"))
    let lines = try agent.cli("logs", "count").output.split(separator: "\n").map(String.init)
    #expect(lines == (0..<300).map(String.init))
  }

  @Test(arguments: [("exit 5", 5, nil), ("kill -USR1 $$", nil, 10)] as [(String, Int32?, Int32?)])
  func `an end that nobody saw is told with its status`(end: String, code: Int32?, signal: Int32?) throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    _ = try agent.call(
      ContainerMethods.run,
      ContainerSpec(
        name: "x", bundle: "bb", command: ["/bin/sh", "-c", "while [ ! -e /data/go ]; do sleep 0.02; done; \(end)"]))
    // Nobody may start a successor: the supervisor goes first.
    try agent.killNodeController()
    let controller = try Pidfd(opening: agent.containerControllerPID)
    let upper = "\(agent.instance.containers)/x/upper/data"
    try controller.signal(SIGKILL)
    _ = try controller.waitForEnd(milliseconds: 5000)
    mkdir(upper, 0o777)
    let pid = try #require(try Self.recordedPID(agent, "x"))
    let harness = try Pidfd(opening: pid)
    try FileSystem.replace("/proc/\(pid)/root/data/go", with: [1], mode: 0o644)
    #expect(try harness.waitForEnd(milliseconds: 10_000))
    try agent.startDaemon()
    let view = try agent.view("x")
    #expect(view.state == .failed)
    #expect(view.exitCode == code)
    #expect(view.exitSignal == signal)
    _ = try agent.call(ContainerMethods.remove, .init(name: "x"))
    #expect(try Leftovers(of: agent) == .none)
  }

  private static func recordedPID(_ agent: TestAgent, _ name: String) throws -> Int32? {
    struct Runtime: Decodable { var pid: Int32 }
    return try JSONCoding.decode(
      Runtime.self, from: FileSystem.read("\(agent.instance.controllerRun)/\(name)/runtime.json")
    ).pid
  }

  static let points = [
    "create.placed", "create.written", "start.cloned", "start.launched", "start.recorded", "start.listening",
    "start.planned", "start.started", "stop.asked", "remove.removed",
  ]

  /// Each point ten times: a hundred deaths.
  @Test(arguments: points) func `a controller that dies at any step leaves nothing behind`(point: String) throws {
    let agent = try TestAgent(programs: Host.products)
    try agent.importBusybox(command: Self.web.command, Self.web.lines)
    let fault = "\(agent.instance.controllerRun)/fault"
    for round in 0..<Host.rounds(10) {
      let controller = agent.containerControllerPID
      try FileSystem.replace(fault, with: Array(point.utf8), mode: 0o644)
      // One of these does not come to its end.
      let first = try? agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
      if first != nil {
        let second = try? agent.call(ContainerMethods.stop, .init(name: "web", timeout: 200))
        if second != nil { _ = try? agent.call(ContainerMethods.remove, .init(name: "web")) }
      }
      try agent.waitForContainerController(after: controller)
      #expect(!FileSystem.exists(fault), "round \(round): \(point) was not reached")
      for view in try agent.call(ContainerMethods.list, .init()) {
        #expect(view.state != .preparing)
        _ = try agent.call(ContainerMethods.remove, .init(name: view.name, force: true))
      }
      let left = try Leftovers(of: agent)
      #expect(left == .none, "round \(round)\n\(left)\n\(agent.log.suffix(2000))")
    }
    // It works on.
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
    #expect(try agent.view("web").state == .available)
  }

  @Test func `a place that a lost call has made is taken back, however long the node controller is away`() throws {
    let agent = try TestAgent(programs: Host.products)
    try agent.importBusybox(command: Self.web.command, Self.web.lines)
    let fault = "\(agent.instance.runDirectory)/host/fault"
    try FileSystem.replace(fault, with: Array("host.created".utf8), mode: 0o600)
    // Calls wait ten seconds for another node controller; this one takes longer.
    let lost = #expect(throws: (any Error).self) {
      try agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
    }
    #expect(
      !FileSystem.exists(fault) && "\(String(describing: lost))".contains("node controller"),
      "\(String(describing: lost))")
    #expect(try FileSystem.names(in: agent.instance.containers) == ["web"])
    try agent.killNodeController()
    try agent.startDaemon()
    try agent.eventually("it is taken back", seconds: 70) { try Leftovers(of: agent) == .none }
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
    #expect(try agent.view("web").state == .available)
  }

  /// Processes that wait in the controller to become a container.
  private static func prepared(_ agent: TestAgent) throws -> [Int32] {
    try children(of: agent.containerControllerPID).filter {
      (try? FileSystem.readText("/proc/\($0)/cmdline"))?.hasPrefix("nodeagent-harness\0 ") == true
    }
  }

  private static func children(of pid: Int32) throws -> [Int32] {
    try FileSystem.names(in: "/proc/\(pid)/task").flatMap { thread in
      ((try? FileSystem.readText("/proc/\(pid)/task/\(thread)/children")) ?? "").split(separator: " ").compactMap {
        Int32($0)
      }
    }
  }

  private static func untilPrepared(_ agent: TestAgent) throws -> [Int32] {
    for _ in 0..<500 {
      let found = try prepared(agent)
      if found.count >= 4 { return found }
      usleep(20_000)
    }
    return []
  }

  @Test func `prepared processes end with their controller, and a start does not need them`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(command: Self.web.command, Self.web.lines)
    let first = try Self.untilPrepared(agent)
    #expect(first.count == 4)
    for pid in first { kill(pid, SIGKILL) }
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
    // What ps shows is the container's name.
    let shown = try FileSystem.readText("/proc/\(try agent.view("web").pid ?? 0)/cmdline")
    #expect(shown.hasPrefix("nodeagent-harness\0web\0"))

    let second = try Self.untilPrepared(agent)
    #expect(Set(first).isDisjoint(with: second))
    let controller = agent.containerControllerPID
    kill(controller, SIGKILL)
    try agent.waitForContainerController(after: controller)
    #expect(try Self.untilPrepared(agent).count == 4)
    // Not even as zombies.
    for pid in second { #expect(!FileSystem.exists("/proc/\(pid)"), "process \(pid) is still there") }
    #expect(try agent.view("web").state == .available)
  }

  @Test func `the harness does nothing when it is not PID 1`() throws {
    let result = try Command.run(["\(Host.programs)/nodeagent-harness", "x"])
    #expect(result.code == 64)
    #expect(result.error.contains("PID 1 of a container"))
  }

  @Test func `a node controller that dies in the middle of many starts leaves nothing behind`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(command: Self.web.command, Self.web.lines)
    for _ in 0..<Host.rounds(5) {
      let path = agent.instance.containerSocket
      let hasFinished = SharedFlag()
      try NamedThread.start("starter") {
        for index in 0..<8 {
          _ = try? RPCClient(path: path).call(ContainerMethods.run, ContainerSpec(name: "c\(index)", bundle: "bb"))
        }
        hasFinished.raise()
      }
      usleep(UInt32.random(in: 1000...80_000))
      try agent.killNodeController()
      try agent.startDaemon()
      try agent.eventually("the starter's end", seconds: 120) { hasFinished.isRaised }
      for view in try agent.call(ContainerMethods.list, .init()) {
        do {
          _ = try agent.call(ContainerMethods.remove, .init(name: view.name, force: true))
        } catch let error as RPCError {
          // A run whose start failed takes its container away itself.
          guard error.code == .notFound else { throw error }
        }
      }
      let left = try Leftovers(of: agent)
      #expect(left == .none, "\(left)\n\(agent.log.suffix(2000))")
    }
  }

  @Test func `rules that somebody has flushed come back with the next node controller`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(command: Self.web.command, Self.web.lines)
    let view = try agent.call(ContainerMethods.run, ContainerSpec(name: "web", bundle: "bb"))
    let port = try #require(view.endpoints.first?.hostPort)
    #expect(try agent.inside(["nft", "flush", "ruleset"]).code == 0)
    try agent.killNodeController()
    try agent.startDaemon()
    try agent.eventually("the server") {
      try agent.inside(["curl", "-s", "-m", "2", "http://127.0.0.1:\(port)/hostname"]).output == "web\n"
    }
  }

  @Test func `down takes everything away, and keeping containers keeps them`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let before = try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    agent.endDaemon(keepContainers: true)
    let process = try Pidfd(opening: try #require(before.pid))
    let wentOn = process.isRunning()
    #expect(wentOn)
    try agent.startDaemon()
    #expect(try agent.view("a").pid == before.pid)
    #expect(try agent.cli("down").code == 0)
    let ended = try process.waitForEnd(milliseconds: 0)
    #expect(ended)
    let layout = try CgroupLayout.current()
    for parent in Set(layout.legacy.values) { #expect(!FileSystem.exists("\(parent)/\(agent.instance.cgroup)")) }
    #expect(try agent.inside(["ip", "-br", "link"]).output.split(separator: "\n").count == 1)
    #expect(try agent.inside(["nft", "list", "ruleset"]).output.isEmpty)
  }
}
