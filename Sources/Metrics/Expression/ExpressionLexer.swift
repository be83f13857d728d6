// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The words of an expression.
struct ExpressionLexer {
  enum Token: Equatable {
    case name(String)
    case number(Double)
    case text(String)
    /// Seconds, of `5m`.
    case duration(Double)
    case sign(String)
    case end
  }

  private let characters: [Character]
  private var position = 0

  init(_ text: String) { characters = Array(text) }

  /// All words with the place of each, the last one being the end.
  static func tokens(_ text: String) throws(ExpressionError) -> [(token: Token, place: Int)] {
    var lexer = ExpressionLexer(text)
    var tokens: [(Token, Int)] = []
    while true {
      lexer.skipBlanks()
      let place = lexer.position
      let token = try lexer.next()
      tokens.append((token, place + 1))
      if token == .end { return tokens }
    }
  }

  private mutating func skipBlanks() {
    while position < characters.count, characters[position].isWhitespace { position += 1 }
  }

  private mutating func next() throws(ExpressionError) -> Token {
    guard position < characters.count else { return .end }
    let first = characters[position]
    if Self.isLetter(first) { return .name(take { Self.isLetter($0) || Self.isDigit($0) }) }
    if Self.isDigit(first) || first == "." { return try number() }
    if first == "\"" || first == "'" { return try quoted(first) }
    let two = String(characters[position...].prefix(2))
    if ["==", "!=", ">=", "<=", "=~", "!~"].contains(two) {
      position += 2
      return .sign(two)
    }
    position += 1
    guard "+-*/%^()[]{},=<>".contains(first) else {
      throw ExpressionError("at \(position): \"\(first)\" has no meaning here")
    }
    return .sign(String(first))
  }

  private static func isLetter(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character == "_" || character == ":")
  }

  private static func isDigit(_ character: Character) -> Bool { character.isASCII && character.isNumber }

  private mutating func take(_ accepts: (Character) -> Bool) -> String {
    let start = position
    while position < characters.count, accepts(characters[position]) { position += 1 }
    return String(characters[start..<position])
  }

  private static let units: [String: Double] = ["ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400]

  private mutating func number() throws(ExpressionError) -> Token {
    let start = position
    var text = take { Self.isDigit($0) || $0 == "." }
    if position < characters.count, "eE".contains(characters[position]) {
      text.append(characters[position])
      position += 1
      if position < characters.count, "+-".contains(characters[position]) {
        text.append(characters[position])
        position += 1
      }
      text += take(Self.isDigit)
    }
    let unit = take { Self.isLetter($0) }
    guard let value = Double(text), unit.isEmpty || Self.units[unit] != nil else {
      throw ExpressionError("at \(start + 1): \"\(text)\(unit)\" is neither a number nor a duration such as 5m")
    }
    return unit.isEmpty ? .number(value) : .duration(value * (Self.units[unit] ?? 1))
  }

  private mutating func quoted(_ quote: Character) throws(ExpressionError) -> Token {
    let start = position
    position += 1
    var text = ""
    while position < characters.count, characters[position] != quote {
      if characters[position] == "\\", position + 1 < characters.count { position += 1 }
      text.append(characters[position])
      position += 1
    }
    guard position < characters.count else { throw ExpressionError("at \(start + 1): the text has no end") }
    position += 1
    return .text(text)
  }
}
