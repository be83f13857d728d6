// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Why a text is not acceptable JSON, and where.
public struct JSONSyntaxError: Error, Equatable, Sendable, CustomStringConvertible {
  public var reason: String
  /// Bytes from the beginning of the text.
  public var offset: Int
  public var description: String { "\(reason) at byte \(offset)" }
}

/// Checks a JSON text (RFC 8259) and finds the parts of its outermost value, in one pass and without building values.
///
/// Stricter than the grammar where two readers could disagree (RFC 7493): an object with the same name twice, a lone
/// surrogate, invalid UTF-8 or nesting deeper than ``deepest`` is refused.
public struct JSONScanner {
  public static let deepest = 64

  /// The outermost value and where its parts stand.
  public enum Outline: Sendable, Equatable {
    case object([(name: String, value: Range<Int>)])
    case array([Range<Int>])
    case other

    public static func == (left: Outline, right: Outline) -> Bool {
      switch (left, right) {
      case (.object(let a), .object(let b)): a.elementsEqual(b) { $0 == $1 }
      case (.array(let a), .array(let b)): a == b
      case (.other, .other): true
      default: false
      }
    }
  }

  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0

  /// Scans one whole text.
  public static func outline(of text: [UInt8]) throws(JSONSyntaxError) -> Outline {
    guard String(validating: text, as: UTF8.self) != nil else {
      throw JSONSyntaxError(reason: "the text is not valid UTF-8", offset: 0)
    }
    let result: Result<Outline, JSONSyntaxError> = text.withUnsafeBufferPointer { buffer in
      var scanner = JSONScanner(bytes: buffer)
      do throws(JSONSyntaxError) {
        return .success(try scanner.whole())
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  private func failure(_ reason: String) -> JSONSyntaxError { JSONSyntaxError(reason: reason, offset: position) }

  private mutating func whole() throws(JSONSyntaxError) -> Outline {
    skipSpace()
    let outline: Outline
    switch peek() {
    case UInt8(ascii: "{"):
      var members: [(String, Range<Int>)] = []
      try object(depth: 1) { members.append(($0, $1)) }
      outline = .object(members)
    case UInt8(ascii: "["):
      var elements: [Range<Int>] = []
      try array(depth: 1) { elements.append($0) }
      outline = .array(elements)
    default:
      try value(depth: 1)
      outline = .other
    }
    skipSpace()
    if position != bytes.count { throw failure("text after the value") }
    return outline
  }

  private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { position += 1 }
  }

  private mutating func expect(_ byte: UInt8) throws(JSONSyntaxError) {
    guard peek() == byte else { throw failure("expected '\(Character(UnicodeScalar(byte)))'") }
    position += 1
  }

  private mutating func value(depth: Int) throws(JSONSyntaxError) {
    switch peek() {
    case UInt8(ascii: "{"): try object(depth: depth) { _, _ in }
    case UInt8(ascii: "["): try array(depth: depth) { _ in }
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "n"): try word("null")
    case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): try number()
    case nil: throw failure("unexpected end")
    default: throw failure("unexpected character")
    }
  }

  private mutating func object(depth: Int, member: (String, Range<Int>) -> Void) throws(JSONSyntaxError) {
    if depth > Self.deepest { throw failure("nesting deeper than \(Self.deepest)") }
    position += 1
    skipSpace()
    if peek() == UInt8(ascii: "}") {
      position += 1
      return
    }
    var names: Set<String> = []
    while true {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw failure("expected a name in quotes") }
      let at = position
      let name = try string()
      guard names.insert(name).inserted else {
        throw JSONSyntaxError(reason: "the name \"\(name.prefix(64))\" stands twice in one object", offset: at)
      }
      skipSpace()
      try expect(UInt8(ascii: ":"))
      skipSpace()
      let start = position
      try value(depth: depth + 1)
      member(name, start..<position)
      skipSpace()
      if peek() == UInt8(ascii: ",") {
        position += 1
        continue
      }
      try expect(UInt8(ascii: "}"))
      return
    }
  }

  private mutating func array(depth: Int, element: (Range<Int>) -> Void) throws(JSONSyntaxError) {
    if depth > Self.deepest { throw failure("nesting deeper than \(Self.deepest)") }
    position += 1
    skipSpace()
    if peek() == UInt8(ascii: "]") {
      position += 1
      return
    }
    while true {
      skipSpace()
      let start = position
      try value(depth: depth + 1)
      element(start..<position)
      skipSpace()
      if peek() == UInt8(ascii: ",") {
        position += 1
        continue
      }
      try expect(UInt8(ascii: "]"))
      return
    }
  }

  private mutating func word(_ word: StaticString) throws(JSONSyntaxError) {
    for index in 0..<word.utf8CodeUnitCount {
      guard peek() == word.utf8Start[index] else { throw failure("expected \(word)") }
      position += 1
    }
  }

  private mutating func digits() throws(JSONSyntaxError) {
    guard let first = peek(), first >= 0x30, first <= 0x39 else { throw failure("expected a digit") }
    while let byte = peek(), byte >= 0x30, byte <= 0x39 { position += 1 }
  }

  private mutating func number() throws(JSONSyntaxError) {
    if peek() == UInt8(ascii: "-") { position += 1 }
    if peek() == UInt8(ascii: "0") {
      position += 1
    } else {
      try digits()
    }
    if peek() == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
      position += 1
      if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
      try digits()
    }
  }

  /// The string's value; most strings have no escape and are taken as they stand.
  private mutating func string() throws(JSONSyntaxError) -> String {
    position += 1
    let start = position
    while let byte = peek() {
      switch byte {
      case UInt8(ascii: "\""):
        defer { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
      case UInt8(ascii: "\\"): return try escapedString(from: start)
      case 0..<0x20: throw failure("a control character in a string")
      default: position += 1
      }
    }
    throw failure("a string without end")
  }

  private mutating func escapedString(from start: Int) throws(JSONSyntaxError) -> String {
    var text = Array(bytes[start..<position])
    while let byte = peek() {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case 0..<0x20: throw failure("a control character in a string")
      case UInt8(ascii: "\\"):
        guard let escape = peek() else { throw failure("unexpected end") }
        position += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"): text += Array(String(try unicodeEscape()).utf8)
        default: throw failure("an unknown escape")
        }
      default: text.append(byte)
      }
    }
    throw failure("a string without end")
  }

  private mutating func unicodeEscape() throws(JSONSyntaxError) -> Character {
    var unit = try fourDigits()
    if unit >= 0xd800 && unit < 0xdc00 {
      guard peek() == UInt8(ascii: "\\") else { throw failure("a lone surrogate") }
      position += 1
      try expect(UInt8(ascii: "u"))
      let low = try fourDigits()
      guard low >= 0xdc00 && low < 0xe000 else { throw failure("a lone surrogate") }
      unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
    }
    guard let scalar = UnicodeScalar(unit) else { throw failure("a lone surrogate") }
    return Character(scalar)
  }

  private mutating func fourDigits() throws(JSONSyntaxError) -> UInt32 {
    guard position + 4 <= bytes.count else { throw failure("unexpected end") }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(UnicodeScalar(bytes[position])).hexDigitValue else {
        throw failure("expected four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
