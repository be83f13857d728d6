// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import HealthChecks
import JSONRPC
import LinuxKernel
import LogStore
import Logging

/// The alert rules, and what the monitor has found by them: what begins and ends to fire is an event.
actor AlertRegistry {
  private let events: EventLog
  private let logger: Logger
  private let file: String
  private(set) var rules: [AlertRule] = []
  /// As the monitor told last.
  private var alerts: [AlertView] = []
  private var problems: [String: String] = [:]
  private let broadcast = Broadcast<AlertMethods.Assignments>()

  /// More alerts than anybody would read.
  private static let most = 10_000

  init(instance: Instance, events: EventLog, logger: Logger) {
    self.events = events
    self.logger = logger
    file = "\(instance.stateDirectory)/alerts.json"
    // What fired when the agent ended has not ended with it.
    alerts = SavedState.read([AlertView].self, file, logger: logger) ?? []
  }

  func configure(_ rules: [AlertRule]) {
    self.rules = rules
    let names = Set(rules.map(\.name))
    problems = problems.filter { names.contains($0.key) }
    for alert in alerts where alert.state == .firing && !names.contains(alert.rule) {
      tell(alert, "resolved", "its rule is gone")
    }
    alerts.removeAll { !names.contains($0.rule) }
    write()
    broadcast.send(current)
  }

  private var current: AlertMethods.Assignments { .init(rules: rules, alerts: alerts) }

  func assignments() -> AsyncStream<AlertMethods.Assignments> {
    broadcast.listen(current)
  }

  func take(_ report: AlertMethods.Report) {
    let names = Dictionary(rules.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    // The severity is the rule's, whatever the monitor says.
    let now = report.alerts.prefix(Self.most).compactMap { alert -> AlertView? in
      guard let rule = names[alert.rule] else { return nil }
      var alert = alert
      alert.severity = rule.severity
      alert.summary = String(alert.summary.prefix(500))
      alert.labels = Self.bounded(alert.labels)
      return alert
    }
    let before = Set(alerts.filter { $0.state == .firing }.map(\.key))
    let after = Set(now.filter { $0.state == .firing }.map(\.key))
    for alert in now where alert.state == .firing && !before.contains(alert.key) {
      tell(alert, "firing", alert.summary)
    }
    for alert in alerts where alert.state == .firing && !after.contains(alert.key) {
      tell(alert, "resolved", alert.summary)
    }
    for (name, problem) in report.problems where names[name] != nil && problems[name] == nil {
      events.add(
        kind: "alert", name: name, event: "rule failing", severity: .warning, cause: String(problem.prefix(500)),
        correlation: nil)
    }
    alerts = now
    problems = report.problems.filter { names[$0.key] != nil }.mapValues { String($0.prefix(500)) }
    if before != after { write() }
  }

  /// A monitor that somebody has taken over must not fill the stream of events with one of them.
  private static func bounded(_ labels: [String: String]) -> [String: String] {
    var kept: [String: String] = [:]
    for (name, value) in labels.sorted(by: { $0.key < $1.key }).prefix(32) {
      kept[String(name.prefix(100))] = String(value.prefix(200))
    }
    return kept
  }

  private func tell(_ alert: AlertView, _ event: String, _ cause: String) {
    var data = alert.labels
    data["value"] = "\(alert.value)"
    events.add(
      kind: "alert", name: alert.rule, event: event, severity: event == "firing" ? alert.severity : .info, cause: cause,
      correlation: nil, data: data)
  }

  private func write() {
    do {
      let firing = alerts.filter { $0.state == .firing }
      try FileSystem.replace(file, with: try JSONCoding.encode(firing), mode: 0o600)
    } catch {
      // After a restart they are told anew then.
      logger.error("the alerts cannot be written", metadata: ["error": "\(error)"])
    }
  }

  func list() -> [AlertRuleView] {
    let found = Dictionary(grouping: alerts, by: \.rule)
    return rules.map { AlertRuleView(rule: $0, problem: problems[$0.name], alerts: found[$0.name] ?? []) }
  }
}
