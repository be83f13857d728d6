// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A question about metrics, in a part of Prometheus's query language (PromQL): docs/alerts.md says which.
public indirect enum Expression: Sendable, Hashable {
  case number(Double)
  /// Series by name and labels; with a range, in seconds, their values over that time.
  case selector(name: String?, matchers: [Matcher], range: Double?)
  case call(Function, [Expression])
  case aggregate(Aggregation, Expression, by: [String]?, without: [String]?)
  case negative(Expression)
  case binary(Operator, Expression, Expression, Matching)

  public struct Matcher: Sendable, Hashable {
    enum Kind: String { case equal = "=", notEqual = "!=", like = "=~", notLike = "!~" }
    let label: String
    let kind: Kind
    let value: String
  }

  /// Which labels of both sides have to be the same.
  public struct Matching: Sendable, Hashable {
    var on: [String]?
    var ignoring: [String]?
    /// A comparison answers with 0 or 1 and leaves nothing out.
    var isBool = false
  }

  public enum Operator: String, Sendable {
    case add = "+", subtract = "-", multiply = "*", divide = "/", remainder = "%", power = "^"
    case equal = "==", notEqual = "!=", greater = ">", less = "<", greaterOrEqual = ">=", lessOrEqual = "<="
    case and, or, unless

    var isComparison: Bool {
      switch self {
      case .equal, .notEqual, .greater, .less, .greaterOrEqual, .lessOrEqual: true
      default: false
      }
    }

    var isSet: Bool { self == .and || self == .or || self == .unless }

    /// From the weakest on; `^` is the only one that binds to the right.
    var precedence: Int {
      switch self {
      case .or: 1
      case .and, .unless: 2
      case .equal, .notEqual, .greater, .less, .greaterOrEqual, .lessOrEqual: 3
      case .add, .subtract: 4
      case .multiply, .divide, .remainder: 5
      case .power: 6
      }
    }
  }

  public enum Aggregation: String, Sendable, CaseIterable { case sum, avg, min, max, count }

  public enum Function: String, Sendable, CaseIterable {
    case rate, increase, delta, changes
    case avgOverTime = "avg_over_time"
    case minOverTime = "min_over_time"
    case maxOverTime = "max_over_time"
    case abs, absent, time

    /// Its parameter is a range, a vector, or there is none.
    enum Parameter { case range, vector, none }

    var parameter: Parameter {
      switch self {
      case .rate, .increase, .delta, .changes, .avgOverTime, .minOverTime, .maxOverTime: .range
      case .abs, .absent: .vector
      case .time: .none
      }
    }
  }
}

/// Why a text is no expression, or one has no answer.
public struct ExpressionError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
