// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import JSONRPC
import Metrics

/// Reads `alerts.yaml`; docs/alerts.md describes the format.
enum AlertRuleParser {
  /// None where there is no file.
  static func read(_ path: String) throws -> [AlertRule] {
    try AdministratorFile.parse(path) { try parse($0, file: path) } ?? []
  }

  static func parse(_ text: String, file: String) throws(DescriptorProblem) -> [AlertRule] {
    var rules: [AlertRule] = []
    for element in try DescriptorNode(file: file, text: text).elements() {
      let rule = try rule(element)
      if rules.contains(where: { $0.name == rule.name }) {
        throw element.problem("has the name \(rule.name), which another rule has")
      }
      rules.append(rule)
    }
    return rules
  }

  private static func rule(_ node: DescriptorNode) throws(DescriptorProblem) -> AlertRule {
    let members = try node.members(["name", "expr", "for", "severity", "summary"])
    guard let name = members["name"], let expression = members["expr"] else {
      throw node.problem("needs name and expr")
    }
    var rule = AlertRule(name: try name.text(), expression: try expression.text())
    guard ContainerSpec.problem(withName: rule.name) == nil else { throw name.problem("must be a name") }
    do {
      _ = try Expression(rule.expression)
    } catch {
      throw expression.problem("is no expression: \(error)")
    }
    if let member = members["for"] { rule.duration = try member.milliseconds() }
    if let member = members["severity"] { rule.severity = try member.choice(AgentEvent.Severity.self) }
    if let member = members["summary"] { rule.summary = try member.text() }
    return rule
  }
}
