// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// Answers expressions from the table and its history.
public struct ExpressionEvaluator {
  /// One value with its labels.
  public struct Sample: Sendable, Hashable {
    public var labels: [String: String]
    public var value: Double
  }

  enum Value {
    case scalar(Double)
    case vector([Sample])
  }

  private let table: SeriesTable
  private let history: MetricHistory
  /// Seconds since 1970.
  private let now: Double

  public init(_ table: SeriesTable, _ history: MetricHistory, now: Double) {
    self.table = table
    self.history = history
    self.now = now
  }

  /// The answer; that of a number alone is one sample without labels, or none where it is 0.
  ///
  /// - Throws: ``ExpressionError`` where two sides do not match one to one.
  public func samples(_ expression: Expression) throws(ExpressionError) -> [Sample] {
    switch try value(expression) {
    case .vector(let samples): samples
    case .scalar(let number): number == 0 || number.isNaN ? [] : [Sample(labels: [:], value: number)]
    }
  }

  private func value(_ expression: Expression) throws(ExpressionError) -> Value {
    switch expression {
    case .number(let number): return .scalar(number)
    case .selector(let name, let matchers, _):
      return .vector(
        places(name, matchers).map { Sample(labels: labels($0.place, keeps: true), value: table.value($0.place)) })
    case .negative(let operand):
      switch try value(operand) {
      case .scalar(let number): return .scalar(-number)
      case .vector(let samples):
        return .vector(samples.map { Sample(labels: Self.nameless($0.labels), value: -$0.value) })
      }
    case .call(let function, let parameters): return try call(function, parameters)
    case .aggregate(let kind, let operand, let by, let without):
      return .vector(Self.aggregate(kind, try vector(operand), by, without))
    case .binary(let sign, let left, let right, let matching):
      return try binary(sign, try value(left), try value(right), matching)
    }
  }

  private func vector(_ expression: Expression) throws(ExpressionError) -> [Sample] {
    switch try value(expression) {
    case .vector(let samples): return samples
    case .scalar: throw ExpressionError("a number stands where a metric is needed")
    }
  }

  // MARK: - Series

  private static let nameLabel = "__name__"

  private static func nameless(_ labels: [String: String]) -> [String: String] {
    var labels = labels
    labels[nameLabel] = nil
    return labels
  }

  private func labels(_ place: Int, keeps name: Bool) -> [String: String] {
    var labels = Dictionary(
      table.labels(of: place).map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    if name { labels[Self.nameLabel] = table.families[table.series[place].family].name }
    return labels
  }

  private func places(_ name: String?, _ matchers: [Expression.Matcher]) -> [(place: Int, name: String)] {
    var tests: [(label: String, accepts: (String) -> Bool)] = []
    for matcher in matchers {
      // It was tried when it was read.
      let pattern = try? Regex(matcher.value)
      switch matcher.kind {
      case .equal: tests.append((matcher.label, { $0 == matcher.value }))
      case .notEqual: tests.append((matcher.label, { $0 != matcher.value }))
      case .like: tests.append((matcher.label, { text in pattern.flatMap { text.wholeMatch(of: $0) } != nil }))
      case .notLike: tests.append((matcher.label, { text in pattern.flatMap { text.wholeMatch(of: $0) } == nil }))
      }
    }
    return table.select(name.map { [$0] }, nil).flatMap { family, places in
      places.filter { place in
        guard !tests.isEmpty else { return true }
        let labels = labels(place, keeps: true)
        // A label that is not there is an empty one.
        return tests.allSatisfy { $0.accepts(labels[$0.label] ?? "") }
      }.map { ($0, family.name) }
    }
  }

  // MARK: - Functions

  private func call(_ function: Expression.Function, _ parameters: [Expression]) throws(ExpressionError) -> Value {
    switch function.parameter {
    case .none: return .scalar(now)
    case .vector:
      let samples = try vector(parameters[0])
      if function == .absent { return .vector(samples.isEmpty ? [Sample(labels: [:], value: 1)] : []) }
      return .vector(samples.map { Sample(labels: Self.nameless($0.labels), value: Swift.abs($0.value)) })
    case .range:
      guard case .selector(let name, let matchers, let range?) = parameters[0] else {
        throw ExpressionError("\(function.rawValue) needs a range")
      }
      let found = places(name, matchers)
      let rows = history.values(of: found.map(\.place), since: now - range)
      return .vector(
        zip(found, rows).compactMap { one, points in
          Self.over(function, points).map { Sample(labels: labels(one.place, keeps: false), value: $0) }
        })
    }
  }

  /// One number for what a series was over some time; `nil` where there are too few values for it.
  private static func over(_ function: Expression.Function, _ points: [(time: Double, value: Double)]) -> Double? {
    guard let first = points.first, let last = points.last else { return nil }
    switch function {
    case .avgOverTime: return points.reduce(0) { $0 + $1.value } / Double(points.count)
    case .minOverTime: return points.map(\.value).min()
    case .maxOverTime: return points.map(\.value).max()
    case .changes: return Double(zip(points, points.dropFirst()).count { $0.value != $1.value })
    case .delta: return points.count < 2 ? nil : last.value - first.value
    case .rate, .increase:
      guard points.count >= 2, last.time > first.time else { return nil }
      // A counter that goes back has begun anew.
      let gained = zip(points, points.dropFirst()).reduce(0) { sum, pair in
        sum + (pair.1.value >= pair.0.value ? pair.1.value - pair.0.value : pair.1.value)
      }
      return function == .increase ? gained : gained / (last.time - first.time)
    case .abs, .absent, .time: return nil
    }
  }

  private static func aggregate(
    _ kind: Expression.Aggregation, _ samples: [Sample], _ by: [String]?, _ without: [String]?
  ) -> [Sample] {
    var groups: [[String: String]: [Double]] = [:]
    for sample in samples {
      let labels: [String: String] =
        if let by {
          sample.labels.filter { by.contains($0.key) }
        } else if let without {
          nameless(sample.labels).filter { !without.contains($0.key) }
        } else {
          [:]
        }
      groups[labels, default: []].append(sample.value)
    }
    return groups.map { labels, values in
      let value =
        switch kind {
        case .sum: values.reduce(0, +)
        case .avg: values.reduce(0, +) / Double(values.count)
        case .min: values.min() ?? .nan
        case .max: values.max() ?? .nan
        case .count: Double(values.count)
        }
      return Sample(labels: labels, value: value)
    }
  }

  // MARK: - Operators

  private func binary(
    _ sign: Expression.Operator, _ left: Value, _ right: Value, _ matching: Expression.Matching
  ) throws(ExpressionError) -> Value {
    switch (left, right) {
    case (.scalar(let first), .scalar(let second)):
      guard !sign.isSet else { throw ExpressionError("\(sign.rawValue) joins metrics, not numbers") }
      return .scalar(Self.apply(sign, first, second))
    case (.vector(let samples), .scalar(let number)):
      guard !sign.isSet else { throw ExpressionError("\(sign.rawValue) joins metrics, not numbers") }
      return .vector(samples.compactMap { Self.apply(sign, $0, $0.value, number, matching) })
    case (.scalar(let number), .vector(let samples)):
      guard !sign.isSet else { throw ExpressionError("\(sign.rawValue) joins metrics, not numbers") }
      return .vector(samples.compactMap { Self.apply(sign, $0, number, $0.value, matching) })
    case (.vector(let first), .vector(let second)):
      return .vector(try Self.join(sign, first, second, matching))
    }
  }

  /// What compares is left as it is, or left out; what counts has a new value and no name.
  private static func apply(
    _ sign: Expression.Operator, _ sample: Sample, _ left: Double, _ right: Double, _ matching: Expression.Matching
  ) -> Sample? {
    let result = apply(sign, left, right)
    guard sign.isComparison, !matching.isBool else { return Sample(labels: nameless(sample.labels), value: result) }
    return result == 1 ? sample : nil
  }

  private static func apply(_ sign: Expression.Operator, _ left: Double, _ right: Double) -> Double {
    switch sign {
    case .add: left + right
    case .subtract: left - right
    case .multiply: left * right
    case .divide: left / right
    case .remainder: fmod(left, right)
    case .power: pow(left, right)
    case .equal: left == right ? 1 : 0
    case .notEqual: left != right ? 1 : 0
    case .greater: left > right ? 1 : 0
    case .less: left < right ? 1 : 0
    case .greaterOrEqual: left >= right ? 1 : 0
    case .lessOrEqual: left <= right ? 1 : 0
    case .and, .or, .unless: .nan
    }
  }

  private static func join(
    _ sign: Expression.Operator, _ left: [Sample], _ right: [Sample], _ matching: Expression.Matching
  ) throws(ExpressionError) -> [Sample] {
    func key(_ sample: Sample) -> [String: String] {
      if let on = matching.on { return sample.labels.filter { on.contains($0.key) } }
      let ignored = matching.ignoring ?? []
      return nameless(sample.labels).filter { !ignored.contains($0.key) }
    }
    let known = Dictionary(grouping: right, by: key)
    switch sign {
    case .and: return left.filter { known[key($0)] != nil }
    case .unless: return left.filter { known[key($0)] == nil }
    case .or:
      let first = Set(left.map(key))
      return left + right.filter { !first.contains(key($0)) }
    default: break
    }
    var seen: Set<[String: String]> = []
    var found: [Sample] = []
    for sample in left {
      let labels = key(sample)
      guard let partners = known[labels] else { continue }
      guard partners.count == 1, seen.insert(labels).inserted else {
        throw ExpressionError(
          "several series match one of the other side of \(sign.rawValue) (\(labels.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: ","))); aggregate one side, or say on(…) or ignoring(…)"
        )
      }
      if let result = apply(sign, sample, sample.value, partners[0].value, matching) {
        found.append(result)
      }
    }
    return found
  }
}
