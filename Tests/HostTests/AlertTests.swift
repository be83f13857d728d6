// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Alert rules of a file, over the machine's own metrics.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct AlertTests {
  private static func configure(_ agent: TestAgent, _ text: String) throws -> Command {
    try FileSystem.makeDirectories(agent.instance.configuration, mode: 0o755)
    try FileSystem.replace(agent.instance.alerts, with: Array(text.utf8), mode: 0o644)
    return try agent.cli("subsystem", "reload")
  }

  private static func states(_ agent: TestAgent, _ rule: String) throws -> [AlertView.State] {
    try agent.call(AlertMethods.list, node: true).first { $0.name == rule }?.alerts.map(\.state) ?? []
  }

  @Test func `a rule that is true fires, is told, and is told to be over`() throws {
    let agent = try TestAgent()
    // Not one that a node controller starts by itself.
    try agent.unit("svc", "command: [/bin/sleep, \"1000\"]\nstart: demand")
    let rules = """
      - name: down
        expr: nodeagent_subsystem_state{state="available", name="svc"} == 0
        severity: error
        summary: "{name} is not there"
      - {name: memory, expr: node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0, for: 5m}
      - {name: slow, expr: "node_time_seconds > 0", for: 1h}
      """
    #expect(try Self.configure(agent, rules).code == 0)
    #expect(try agent.cli("subsystem", "start", "svc").code == 0)
    try agent.eventually("one is pending") { try Self.states(agent, "slow") == [.pending] }
    try agent.eventually("the other is quiet", seconds: 40) { try Self.states(agent, "down") == [] }
    #expect(try agent.cli("alerts").code == 0)
    #expect(try agent.cli("subsystem", "stop", "svc").code == 0)
    try agent.eventually("it fires", seconds: 40) { try Self.states(agent, "down") == [.firing] }
    let shown = try agent.cli("alerts")
    #expect(shown.code == 5 && shown.output.contains("svc is not there"), "\(shown)")
    // The next node controller and the next monitor go on with it, and do not tell it again.
    try agent.killNodeController()
    try agent.startDaemon()
    try Pidfd(opening: agent.subsystemPID("monitor")).signal(SIGKILL)
    try agent.eventually("it fires still", seconds: 40) {
      try Self.states(agent, "down") == [.firing] && Self.states(agent, "slow") == [.pending]
    }
    #expect(try agent.cli("subsystem", "start", "svc").code == 0)
    try agent.eventually("it is over", seconds: 40) { try Self.states(agent, "down") == [] }
    let events = try agent.call(EventMethods.list, .init(kinds: ["alert"]), node: true).filter { $0.name == "down" }
    // Before it was started it may have fired, too.
    #expect(events.suffix(2).map(\.event) == ["firing", "resolved"])
    let firing = try #require(events.suffix(2).first)
    #expect(firing.severity == .error)
    #expect(firing.cause == "svc is not there")
    #expect(firing.data?["name"] == "svc")
    #expect(events.count { $0.event == "firing" } <= 2)
  }

  @Test(arguments: [
    ("- {name: a}", "needs name and expr"), ("- {name: a, expr: \"load >\"}", "is no expression: at 7"),
    ("- {name: a, expr: load}\n- {name: a, expr: load}", "which another rule has"),
    ("- {name: \"a b\", expr: load}", "must be a name"), ("- {name: a, expr: load, for: soon}", "for"),
    ("{}", "alerts.yaml"),
  ])
  func `an error in its file is told with its line, and changes nothing`(text: String, words: String) throws {
    let agent = try TestAgent()
    let result = try Self.configure(agent, text)
    #expect(result.code == 1)
    #expect(result.error.contains("alerts.yaml") && result.error.contains(words), "\(result)")
    #expect(try agent.call(AlertMethods.list, node: true).isEmpty)
  }
}
