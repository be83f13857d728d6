// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// One series for which a rule is true.
public struct AlertView: Codable, Sendable, Hashable, SchemaDocumented {
  public enum State: String, Sendable, Hashable, SchemaEnumeration {
    /// Not for long enough.
    case pending
    case firing
  }

  public var rule: String
  public var state: State
  public var severity: AgentEvent.Severity
  public var labels: [String: String]
  public var value: Double
  public var since: String
  public var summary: String

  public init(
    rule: String, state: State, severity: AgentEvent.Severity, labels: [String: String], value: Double, since: String,
    summary: String
  ) {
    self.rule = rule
    self.state = state
    self.severity = severity
    self.labels = labels
    self.value = value
    self.since = since
    self.summary = summary
  }

  /// Names the alert: the same rule for the same series.
  public var key: [String: String] { labels.merging(["__rule__": rule]) { _, rule in rule } }

  public static let memberSummaries = [
    "value": "the expression's, when it was last asked", "since": "when the expression became true; RFC 3339",
  ]
}

/// A rule and what it finds.
public struct AlertRuleView: Codable, Sendable, Hashable, SchemaDocumented {
  public var name: String
  public var expression: String
  public var duration: Int64
  public var severity: AgentEvent.Severity
  public var problem: String?
  public var alerts: [AlertView]

  public init(rule: AlertRule, problem: String?, alerts: [AlertView]) {
    name = rule.name
    expression = rule.expression
    duration = rule.duration
    severity = rule.severity
    self.problem = problem
    self.alerts = alerts
  }

  public static let memberSummaries = [
    "duration": "milliseconds for which it has to be so", "problem": "why the expression has no answer",
  ]
}

public enum AlertMethods {
  /// All rules, and the alerts that were told of: a monitor that is started anew goes on with them.
  public struct Assignments: Codable, Sendable, Hashable {
    public var rules: [AlertRule]
    public var alerts: [AlertView]
    public init(rules: [AlertRule], alerts: [AlertView]) {
      self.rules = rules
      self.alerts = alerts
    }
  }

  /// All alerts as they are now.
  public struct Report: Codable, Sendable, Hashable {
    public var alerts: [AlertView]
    /// Rules without an answer, and why.
    public var problems: [String: String]
    public init(alerts: [AlertView], problems: [String: String]) {
      self.alerts = alerts
      self.problems = problems
    }
  }

  public static let list = Method<Empty, [AlertRuleView]>(
    "alerts.list", role: .observer, "The alert rules, and the series for which they are true.")
  public static let assignments = Method<Empty, Assignments>(
    "alerts.assignments", kind: .topic, role: .monitor, "The alert rules, again whenever they change.")
  public static let report = Method<Report, Empty>(
    "alerts.report", role: .monitor, "Tells for which series the rules are true.")
}
