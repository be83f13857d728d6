// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Metrics
import Testing

@testable import NodeMonitor

@Suite struct AlertTrackerTests {
  /// A node whose load is set by hand.
  private struct Node {
    var table = SeriesTable()
    var history = MetricHistory()
    let load: FamilyID
    var tracker = AlertTracker()
    var now = 1_777_627_800.0

    init(_ rules: AlertRule..., alerts: [AlertView] = []) {
      load = table.family("load", "Load.", labels: ["cpu"])
      tracker.assign(.init(rules: rules, alerts: alerts), now: now)
    }

    /// 15 seconds later.
    mutating func step(_ loads: [String: Double]) -> [String: AlertView.State] {
      now += 15
      table.begin()
      for (cpu, value) in loads.sorted(by: { $0.key < $1.key }) {
        table.label(cpu)
        table.set(load, value)
        table.clearLabels()
      }
      history.append(table, at: now)
      let report = tracker.step(ExpressionEvaluator(table, history, now: now), now: now)
      return Dictionary(
        report.alerts.map { ($0.labels["cpu"] ?? "", $0.state) }, uniquingKeysWith: { first, _ in first })
    }
  }

  private static let rule = AlertRule(
    name: "busy", expression: "load > 5", duration: 30_000, summary: "cpu {cpu} has {value}{other}")

  @Test func `it fires when it was true for long enough, each series for itself`() {
    var node = Node(Self.rule)
    #expect(node.step(["0": 1, "1": 9]) == ["1": .pending])
    #expect(node.step(["0": 9, "1": 9]) == ["0": .pending, "1": .pending])
    #expect(node.step(["0": 1, "1": 9]) == ["1": .firing])
    #expect(node.step(["0": 9, "1": 9]) == ["0": .pending, "1": .firing])
    #expect(node.step(["0": 9, "1": 1]) == ["0": .pending])
    #expect(node.step([:]) == [:])
  }

  @Test func `without a duration it fires at once, and says what it is`() throws {
    var rule = Self.rule
    rule.duration = 0
    var node = Node(rule)
    _ = node.step(["0": 7.5])
    let view = try #require(
      node.tracker.step(ExpressionEvaluator(node.table, node.history, now: node.now), now: node.now).alerts.first)
    #expect(view.summary == "cpu 0 has 7.5")
    #expect(view.value == 7.5)
    #expect(view.state == .firing)
  }

  @Test func `a monitor that is started anew goes on with what fired`() {
    let old = AlertView(
      rule: "busy", state: .firing, severity: .warning, labels: ["cpu": "0"], value: 9, since: "2026-05-01T09:00:00Z",
      summary: "")
    var node = Node(Self.rule, alerts: [old])
    #expect(node.step(["0": 9, "1": 9]) == ["0": .firing, "1": .pending])
  }

  @Test func `a changed rule begins anew, another one's alerts go on`() {
    var other = Self.rule
    other.name = "other"
    var node = Node(Self.rule, other)
    for _ in 0..<3 { _ = node.step(["0": 9]) }
    var changed = Self.rule
    changed.duration = 60_000
    node.tracker.assign(.init(rules: [changed, other], alerts: []), now: node.now)
    node.now += 1
    let report = node.tracker.step(ExpressionEvaluator(node.table, node.history, now: node.now), now: node.now)
    #expect(
      Dictionary(uniqueKeysWithValues: report.alerts.map { ($0.rule, $0.state) }) == [
        "busy": .pending, "other": .firing,
      ])
  }

  @Test func `a rule without an answer says why, and what fired goes on`() {
    var rule = Self.rule
    rule.expression = "load > on() load"
    rule.duration = 0
    var node = Node(rule)
    _ = node.step(["0": 9])
    var report = node.tracker.step(ExpressionEvaluator(node.table, node.history, now: node.now), now: node.now)
    #expect(report.problems.isEmpty)
    _ = node.step(["0": 9, "1": 8])
    report = node.tracker.step(ExpressionEvaluator(node.table, node.history, now: node.now), now: node.now)
    #expect(report.problems["busy"]?.contains("several series match") ?? false)
  }
}
