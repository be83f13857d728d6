// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

extension Expression {
  /// The longest text that is taken for one.
  static let mostCharacters = 4096

  /// - Throws: ``ExpressionError`` with the place of what is wrong.
  public init(_ text: String) throws(ExpressionError) {
    guard text.count <= Self.mostCharacters else {
      throw ExpressionError("an expression has at most \(Self.mostCharacters) characters")
    }
    var parser = ExpressionParser(tokens: try ExpressionLexer.tokens(text))
    self = try parser.whole()
  }
}

/// Reads an expression by precedence climbing.
struct ExpressionParser {
  let tokens: [(token: ExpressionLexer.Token, place: Int)]
  private var position = 0
  private var depth = 0

  /// Parentheses within parentheses.
  private static let deepest = 50
  /// As long as the history goes.
  private static let longestRange = 3600.0

  init(tokens: [(token: ExpressionLexer.Token, place: Int)]) { self.tokens = tokens }

  private var token: ExpressionLexer.Token { tokens[position].token }

  private func fail(_ words: String) -> ExpressionError { ExpressionError("at \(tokens[position].place): \(words)") }

  private mutating func advance() { position = min(position + 1, tokens.count - 1) }

  private mutating func take(_ sign: String) -> Bool {
    guard token == .sign(sign) else { return false }
    advance()
    return true
  }

  private mutating func expect(_ sign: String) throws(ExpressionError) {
    guard take(sign) else { throw fail("there should be \"\(sign)\"") }
  }

  mutating func whole() throws(ExpressionError) -> Expression {
    let expression = try binary(0)
    guard token == .end else { throw fail("the expression should end here") }
    if case .selector(_, _, _?) = expression { throw ExpressionError("a range needs a function such as rate") }
    return expression
  }

  // MARK: - Operators

  private var nextOperator: Expression.Operator? {
    switch token {
    case .sign(let sign): Expression.Operator(rawValue: sign)
    case .name(let name): Expression.Operator(rawValue: name).flatMap { $0.isSet ? $0 : nil }
    default: nil
    }
  }

  private mutating func binary(_ weakest: Int) throws(ExpressionError) -> Expression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.deepest else { throw fail("this is nested too deeply") }
    var left = try unary()
    while let next = nextOperator, next.precedence > weakest {
      try refuseRange(left)
      advance()
      let matching = try matching(next)
      let right = try binary(next == .power ? next.precedence - 1 : next.precedence)
      try refuseRange(right)
      left = .binary(next, left, right, matching)
    }
    return left
  }

  private func refuseRange(_ expression: Expression) throws(ExpressionError) {
    if case .selector(_, _, _?) = expression { throw fail("a range needs a function such as rate") }
  }

  private mutating func matching(_ sign: Expression.Operator) throws(ExpressionError) -> Expression.Matching {
    var matching = Expression.Matching()
    if token == .name("bool") {
      guard sign.isComparison else { throw fail("bool belongs to a comparison") }
      matching.isBool = true
      advance()
    }
    if token == .name("on") {
      advance()
      matching.on = try names()
    } else if token == .name("ignoring") {
      advance()
      matching.ignoring = try names()
    }
    return matching
  }

  private mutating func names() throws(ExpressionError) -> [String] {
    try expect("(")
    var names: [String] = []
    while !take(")") {
      guard case .name(let name) = token else { throw fail("there should be a label's name") }
      names.append(name)
      advance()
      if token != .sign(")") { try expect(",") }
    }
    return names
  }

  private mutating func unary() throws(ExpressionError) -> Expression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.deepest else { throw fail("this is nested too deeply") }
    if take("-") {
      // -2^2 is -(2^2).
      let operand = try binary(Expression.Operator.multiply.precedence)
      try refuseRange(operand)
      return .negative(operand)
    }
    if take("+") { return try unary() }
    return try primary()
  }

  // MARK: - Operands

  private mutating func primary() throws(ExpressionError) -> Expression {
    switch token {
    case .number(let value):
      advance()
      return .number(value)
    case .duration: throw fail("a duration stands in brackets behind a metric's name")
    case .sign("("):
      advance()
      let inner = try binary(0)
      try expect(")")
      return inner
    case .sign("{"): return try selector(nil)
    case .name(let name):
      advance()
      if let aggregation = Expression.Aggregation(rawValue: name), isAggregation { return try aggregate(aggregation) }
      if token == .sign("(") {
        guard let function = Expression.Function(rawValue: name) else {
          let known = Expression.Function.allCases.map(\.rawValue) + Expression.Aggregation.allCases.map(\.rawValue)
          throw fail("there is no function \(name); there are \(known.joined(separator: ", "))")
        }
        return try call(function)
      }
      return try selector(name)
    case .text, .sign, .end: throw fail("there should be a metric's name, a number or a function")
    }
  }

  private var isAggregation: Bool { token == .sign("(") || token == .name("by") || token == .name("without") }

  private mutating func aggregate(_ kind: Expression.Aggregation) throws(ExpressionError) -> Expression {
    var by: [String]?
    var without: [String]?
    func isGiven(_ parser: ExpressionParser) -> Bool { parser.token == .name("by") || parser.token == .name("without") }
    // Before or behind the parentheses.
    if isGiven(self) { (by, without) = try grouping() }
    try expect("(")
    let operand = try binary(0)
    try refuseRange(operand)
    try expect(")")
    if by == nil, without == nil, isGiven(self) { (by, without) = try grouping() }
    return .aggregate(kind, operand, by: by, without: without)
  }

  private mutating func grouping() throws(ExpressionError) -> ([String]?, [String]?) {
    let isBy = token == .name("by")
    advance()
    let list = try names()
    return isBy ? (list, nil) : (nil, list)
  }

  private mutating func call(_ function: Expression.Function) throws(ExpressionError) -> Expression {
    try expect("(")
    if function.parameter == .none {
      try expect(")")
      return .call(function, [])
    }
    let operand = try binary(0)
    try expect(")")
    if case .selector(_, _, let range) = operand, (range != nil) == (function.parameter == .range) {
      return .call(function, [operand])
    }
    guard function.parameter == .vector else {
      throw fail("\(function.rawValue) needs a metric with a range, such as \(function.rawValue)(name[5m])")
    }
    try refuseRange(operand)
    return .call(function, [operand])
  }

  private mutating func selector(_ name: String?) throws(ExpressionError) -> Expression {
    var matchers: [Expression.Matcher] = []
    if take("{") {
      while !take("}") {
        matchers.append(try matcher())
        if token != .sign("}") { try expect(",") }
      }
    }
    guard name != nil || !matchers.isEmpty else { throw fail("{} would be every series there is") }
    guard take("[") else { return .selector(name: name, matchers: matchers, range: nil) }
    guard case .duration(let seconds) = token else { throw fail("there should be a duration such as 5m") }
    guard seconds > 0, seconds <= Self.longestRange else { throw fail("a range is at most an hour: so much is kept") }
    advance()
    try expect("]")
    return .selector(name: name, matchers: matchers, range: seconds)
  }

  private mutating func matcher() throws(ExpressionError) -> Expression.Matcher {
    guard case .name(let label) = token else { throw fail("there should be a label's name") }
    advance()
    guard case .sign(let sign) = token, let kind = Expression.Matcher.Kind(rawValue: sign) else {
      throw fail("there should be =, !=, =~ or !~")
    }
    advance()
    guard case .text(let value) = token else { throw fail("there should be a text in quotes") }
    if kind == .like || kind == .notLike {
      do {
        _ = try Regex(value)
      } catch {
        throw fail("\"\(value)\" is no regular expression")
      }
    }
    advance()
    return Expression.Matcher(label: label, kind: kind, value: value)
  }
}
