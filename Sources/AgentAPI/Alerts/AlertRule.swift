// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// When somebody is to be told about the metrics.
public struct AlertRule: Codable, Sendable, Hashable {
  public var name: String
  /// docs/alerts.md describes the language.
  public var expression: String
  /// Milliseconds for which it has to be so.
  public var duration: Int64
  public var severity: AgentEvent.Severity
  /// A sentence for people; `{label}` and `{value}` stand for those of the series.
  public var summary: String?

  public init(
    name: String, expression: String, duration: Int64 = 0, severity: AgentEvent.Severity = .warning,
    summary: String? = nil
  ) {
    self.name = name
    self.expression = expression
    self.duration = duration
    self.severity = severity
    self.summary = summary
  }

  /// The sentence for one series.
  public func text(_ labels: [String: String], _ value: Double) -> String {
    let number = Int64(exactly: value).map { String($0) } ?? String(value)
    guard let summary else {
      let list = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
      return "\(expression) is \(number)\(list.isEmpty ? "" : " for \(list)")"
    }
    // In one walk, so that a label's text is not taken for a name.
    var text = ""
    var rest = summary[...]
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      let name = String(rest[rest.index(after: open)..<close])
      text += rest[..<open] + (name == "value" ? number : labels[name] ?? "")
      rest = rest[rest.index(after: close)...]
    }
    return text + rest
  }
}
