// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser

struct Alerts: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the alert rules, and for which series they are true.",
    discussion: "They stand in alerts.yaml; nodeagent subsystem reload reads it. Exit code 5 when one of them fires.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var output: JSONOption

  func run() throws {
    try reporting {
      let rules = try options.controller().call(AlertMethods.list)
      if output.json { try output.print(rules) } else { Self.show(rules) }
      if rules.contains(where: { $0.alerts.contains { $0.state == .firing } }) { throw ExitCode(5) }
    }
  }

  private static func show(_ rules: [AlertRuleView]) {
    var table = Table("RULE", "STATE", "SEVERITY", "SINCE", "VALUE", "")
    for rule in rules {
      if rule.alerts.isEmpty {
        let state: Table.Cell = rule.problem == nil ? .init("quiet", .green) : .init("failing", .red)
        table.add(
          .init(rule.name), state, .init(rule.severity.rawValue), .init("-"), .init("-"), .init(rule.problem ?? ""))
      }
      for alert in rule.alerts {
        table.add(
          .init(rule.name), .init(alert.state.rawValue, alert.state == .firing ? .red : .yellow),
          .init(alert.severity.rawValue), .init(String(alert.since.prefix(19)) + "Z"),
          .init(MetricsCommand.number(alert.value)), .init(alert.summary))
      }
    }
    table.print()
  }
}
