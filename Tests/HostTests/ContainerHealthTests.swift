// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Containers that run and do not do their work: looked at from inside, told, and healed.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct ContainerHealthTests {
  /// A web server that is reached only inside its network namespace.
  private static func web(_ agent: TestAgent, _ checks: String, network: String = "none") throws {
    try agent.importBusybox(
      name: "web", command: "[/bin/httpd, -f, -p, \"127.0.0.1:8080\", -h, /data]",
      "network: \(network)\nrestart: always\nstop: {timeout: 300ms}\nchecks:\n\(checks)"
    ) { root in
      try FileSystem.replace("\(root)/data/health", with: Array("all is well".utf8), mode: 0o644)
      // Whoever writes there need not be root.
      chmod("\(root)/data", 0o777)
    }
    let result = try agent.cli("run", "--name", "web", "web")
    guard result.code == 0 else { throw Command.Failure(description: "\(result)") }
  }

  private static let answers = """
      - name: answers
        http: {url: "http://127.0.0.1:8080/health", body: well}
        interval: 200ms
        timeout: 2s
        fall: 2
    """

  private static func checks(_ agent: TestAgent) throws -> [String: HealthView] {
    Dictionary(
      try agent.call(HealthMethods.list, .init()).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private static func wait(_ agent: TestAgent, _ check: String, _ state: HealthState, seconds: Double = 30) throws {
    try agent.eventually("\(check) is \(state)", seconds: seconds) { try checks(agent)[check]?.state == state }
  }

  @Test(arguments: TestBackend.available) func `every kind of check looks from inside the container`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try Self.web(
      agent,
      """
      \(Self.answers)
        - {name: port, tcp: "localhost:8080", interval: 200ms, fall: 1}
        - {name: closed, tcp: "127.0.0.1:8081", interval: 200ms, fall: 1}
        - {name: no-socket, unix: /run/none.sock, interval: 200ms, fall: 1}
        - {name: says, command: [/bin/cat, /data/health], interval: 200ms, fall: 1}
        - {name: slow, command: [/bin/sleep, "1000"], interval: 500ms, timeout: 300ms, fall: 1}
        - {name: fresh, file: {path: /data/health, age: 900000h}, interval: 200ms, fall: 1}
        - {name: stale, file: {path: /data/health, age: 0s}, interval: 200ms, fall: 1}
        - {name: gone, file: {path: /nowhere, age: 1m}, interval: 200ms, fall: 1}
        - {name: size, resources: {memory: 100MiB, restarts: 3}, interval: 200ms, fall: 1}
        - {name: greedy, resources: {memory: 1KiB}, interval: 200ms, fall: 1}
        - {process: true, interval: 200ms}
      """)
    for (name, state, words) in [
      ("answers", HealthState.healthy, "status 200"), ("port", .healthy, "accepts connections"),
      ("closed", .unhealthy, "refused"), ("no-socket", .unhealthy, "o such file"), ("says", .healthy, "all is well"),
      ("slow", .unhealthy, "300 ms"), ("fresh", .healthy, "was changed"), ("stale", .unhealthy, "should be every"),
      ("gone", .unhealthy, "/nowhere: "), ("size", .healthy, "memory"), ("greedy", .unhealthy, "is over"),
      ("process", .healthy, "runs"),
    ] {
      try Self.wait(agent, name, state)
      let view = try #require(try Self.checks(agent)[name])
      #expect(view.output?.contains(words) ?? false, "\(view)")
      #expect(view.ownerKind == .container && view.owner == "web")
    }
    // One that fails is enough.
    try agent.eventually("it counts as unavailable") { try agent.view("web").state == .unavailable }
    #expect(try agent.view("web").restarts == 0)
    let shown = try agent.cli("health")
    #expect(shown.code == 5 && shown.output.contains("container/web"), "\(shown)")
    let listed = try agent.cli("ps")
    #expect(listed.output.contains("unavailable (unhealthy)"), "\(listed)")
    // Commands that were ended leave nothing.
    let processes = try agent.cli("exec", "web", "--", "/bin/ps").output
    #expect(processes.split(separator: "\n").count { $0.contains("sleep 1000") } <= 1, "\(processes)")
    #expect(try agent.cli("rm", "--force", "web").code == 0)
    #expect(try Self.checks(agent).isEmpty)
  }

  @Test func `what goes wrong and right again is told, in the node's metrics and status, too`() throws {
    let agent = try TestAgent()
    try Self.web(agent, Self.answers, network: "private")
    try Self.wait(agent, "answers", .healthy)
    #expect(try agent.view("web").state == .available)
    #expect(try agent.cli("exec", "web", "--", "/bin/sh", "-c", "echo broken > /data/health").code == 0)
    try Self.wait(agent, "answers", .unhealthy)
    try agent.eventually("it counts as unavailable") { try agent.view("web").state == .unavailable }
    try agent.eventually("the node knows") {
      try agent.call(NodeMethods.status, node: true).unhealthy == ["container/web/answers"]
    }
    try agent.eventually("the metrics have it") {
      try agent.metrics().call(
        MetricMethods.list,
        .init(
          names: ["nodeagent_health_check_state"],
          labels: ["owner": "container/web", "check": "answers", "state": "unhealthy"])
      ).first?.series.first?.value == 1
    }
    #expect(try agent.cli("exec", "web", "--", "/bin/sh", "-c", "echo well > /data/health").code == 0)
    try Self.wait(agent, "answers", .healthy)
    try agent.eventually("it is available") { try agent.view("web").state == .available }
    try agent.eventually("both are told") {
      let events = try agent.call(EventMethods.list, .init(kinds: ["health"]), node: true).filter { $0.name == "web" }
      return events.map(\.event) == ["healthy", "unhealthy", "healthy"] && events[1].severity == .error
        && events[1].cause?.contains("the body does not contain") ?? false
    }
    #expect(try agent.view("web").restarts == 0)
  }

  /// With its processes stopped it accepts connections, and answers nothing.
  @Test(arguments: TestBackend.available) func `one that hangs is started again, over deaths of both controllers`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try Self.web(agent, "\(Self.answers)\n    actions: [restart]")
    try Self.wait(agent, "answers", .healthy)
    func hang() throws {
      // The workload is the first process that PID 1 has started.
      #expect(try agent.cli("exec", "web", "--", "/bin/sh", "-c", "kill -STOP 2").code == 0)
    }
    try hang()
    try agent.eventually("it was started again", seconds: 60) { try agent.view("web").restarts == 1 }
    try Self.wait(agent, "answers", .healthy)
    #expect(try agent.view("web").state == .available)
    // Noticed without the node controller, and healed as soon as that can help.
    try agent.killNodeController()
    try hang()
    try agent.eventually("it is noticed") { try agent.view("web").state != .available }
    try agent.startDaemon()
    try agent.eventually("it was started again when that was back", seconds: 60) {
      let view = try agent.view("web")
      return view.restarts >= 2 && view.state == .available
    }
    try Self.wait(agent, "answers", .healthy)
    let restarts = try agent.view("web").restarts
    try agent.killContainerController()
    try Self.wait(agent, "answers", .healthy)
    try hang()
    try agent.eventually("it was started again by the next controller", seconds: 60) {
      try agent.view("web").restarts > restarts
    }
  }

  @Test func `a container whose PID 1 is frozen holds nobody up`() throws {
    let agent = try TestAgent()
    try Self.web(
      agent,
      """
      \(Self.answers)
        - {name: runs, command: [/bin/true], interval: 200ms, timeout: 500ms, fall: 1}
        - {name: fresh, file: {path: /data/health, age: 900000h}, interval: 200ms, timeout: 500ms, fall: 1}
      """)
    for name in ["answers", "runs", "fresh"] { try Self.wait(agent, name, .healthy) }
    // Its PID 1, which everything inside goes through.
    let pid = try #require(try agent.view("web").pid)
    kill(pid, SIGSTOP)
    for name in ["answers", "runs", "fresh"] { try Self.wait(agent, name, .unhealthy) }
    #expect(try Self.checks(agent)["fresh"]?.output == "no answer within 500 ms")
    try agent.importBusybox(name: "other")
    #expect(try agent.cli("run", "--name", "other", "other").code == 0)
    kill(pid, SIGCONT)
    for name in ["answers", "runs", "fresh"] { try Self.wait(agent, name, .healthy) }
  }

  @Test func `maintenance keeps it from being looked at`() throws {
    let agent = try TestAgent()
    try Self.web(agent, "\(Self.answers)\n    actions: [restart]")
    try Self.wait(agent, "answers", .healthy)
    #expect(try agent.cli("health", "maintenance", "on", "web").code == 0)
    try Self.wait(agent, "answers", .maintenance)
    #expect(try agent.cli("exec", "web", "--", "/bin/rm", "/data/health").code == 0)
    try agent.killContainerController()
    try Self.wait(agent, "answers", .maintenance)
    #expect(try agent.view("web").restarts == 0)
    #expect(try agent.cli("health", "maintenance", "off", "container/web").code == 0)
    // It is unhealthy for a moment only: then it is restarted.
    try agent.eventually("it is restarted again", seconds: 30) { try agent.view("web").restarts > 0 }
    let unknown = try agent.cli("health", "maintenance", "on", "nobody")
    #expect(unknown.code == 4 && unknown.error.contains("no sub-system and no container nobody"), "\(unknown)")
  }

  /// The servers of others may answer anything: what reads that is the monitor, which has nothing to lose.
  @Test(arguments: [
    "yes", "printf 'HTTP/1.1 200 OK\\r\\n'; yes 'x: y'",
    "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 99999999999\\r\\n\\r\\n'; cat /dev/zero", "sleep 1000", "true",
  ])
  func `a server that answers nonsense is unhealthy, and nothing else happens`(answer: String) throws {
    let agent = try TestAgent()
    try agent.importBusybox(
      name: "bad",
      command: "[/bin/sh, -c, \"while true; do nc -l -p 8080 -s 127.0.0.1 -e /bin/sh /bin/answer; done\"]",
      """
      network: none
      checks:
        - {name: answers, http: {url: "http://127.0.0.1:8080/", body: never}, interval: 200ms, timeout: 1s, fall: 2}
      """
    ) { try FileSystem.replace("\($0)/bin/answer", with: Array(answer.utf8), mode: 0o755) }
    #expect(try agent.cli("run", "--name", "bad", "bad").code == 0)
    try Self.wait(agent, "answers", .unhealthy)
    usleep(1_000_000)
    #expect(try Self.checks(agent)["answers"]?.state == .unhealthy)
    #expect(try agent.subsystem("monitor").restarts == 0)
    #expect(try agent.view("bad").state == .unavailable)
  }
}
