// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Metrics

/// Follows for which series the rules are true, and since when.
struct AlertTracker {
  private struct Followed {
    let rule: AlertRule
    let expression: Expression
  }

  private struct Active {
    var since: Double
    var view: AlertView
  }

  private var followed: [Followed] = []
  private var active: [[String: String]: Active] = [:]

  /// A rule that is true for more series than this is wrong.
  private static let mostPerRule = 1000

  var isEmpty: Bool { followed.isEmpty }

  /// Makes these the rules. Alerts of rules that have not changed go on; those that an earlier monitor told of, too.
  mutating func assign(_ assignments: AlertMethods.Assignments, now: Double) {
    let before = Set(followed.map(\.rule))
    followed = assignments.rules.compactMap { rule in
      // The node controller has read it already.
      (try? Expression(rule.expression)).map { Followed(rule: rule, expression: $0) }
    }
    let rules = Dictionary(followed.map { ($0.rule.name, $0.rule) }, uniquingKeysWith: { first, _ in first })
    active = active.filter { one in rules[one.value.view.rule].map { before.contains($0) } ?? false }
    for alert in assignments.alerts where alert.state == .firing && active[alert.key] == nil && rules[alert.rule] != nil
    {
      let since = Timestamp.parse(alert.since, now: Int64(now * 1e6)).map { Double($0) / 1e6 } ?? now
      active[alert.key] = Active(since: since, view: alert)
    }
  }

  /// Asks all rules.
  mutating func step(_ evaluator: ExpressionEvaluator, now: Double) -> AlertMethods.Report {
    var next: [[String: String]: Active] = [:]
    var problems: [String: String] = [:]
    for one in followed {
      do {
        let samples = try evaluator.samples(one.expression)
        guard samples.count <= Self.mostPerRule else {
          problems[one.rule.name] = "it is true for \(samples.count) series; aggregate them"
          continue
        }
        for sample in samples { add(sample, one.rule, now, to: &next) }
      } catch {
        problems[one.rule.name] = "\(error)"
        // Whether it is still true nobody knows: what fires goes on.
        for (key, known) in active where known.view.rule == one.rule.name && known.view.state == .firing {
          next[key] = known
        }
      }
    }
    active = next
    let alerts = next.values.map(\.view).sorted { ($0.rule, $0.summary) < ($1.rule, $1.summary) }
    return AlertMethods.Report(alerts: alerts, problems: problems)
  }

  private func add(
    _ sample: ExpressionEvaluator.Sample, _ rule: AlertRule, _ now: Double, to next: inout [[String: String]: Active]
  ) {
    var labels = sample.labels
    labels["__name__"] = nil
    var view = AlertView(
      rule: rule.name, state: .pending, severity: rule.severity, labels: labels,
      value: sample.value.isFinite ? sample.value : 0, since: "", summary: rule.text(labels, sample.value))
    let known = active[view.key]
    let since = known?.since ?? now
    view.since = Timestamp.text(microseconds: Int64(since * 1e6))
    if known?.view.state == .firing || (now - since) * 1000 >= Double(rule.duration) { view.state = .firing }
    next[view.key] = Active(since: since, view: view)
  }
}
