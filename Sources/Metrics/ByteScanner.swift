// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Walks over the text of a kernel file without copying any of it.
///
/// Positions go by the caller's span, whose bounds are checked: whatever the text is, nothing outside is read.
struct ByteScanner: Sendable {
  private(set) var position: Int
  let end: Int

  init(_ range: Range<Int>) {
    position = range.lowerBound
    end = range.upperBound
  }

  /// The next line, without its end; `nil` at the end of the text.
  mutating func line(_ bytes: Span<UInt8>) -> Range<Int>? {
    guard position < end else { return nil }
    let start = position
    while position < end, bytes[position] != UInt8(ascii: "\n") { position += 1 }
    let line = start..<position
    if position < end { position += 1 }
    return line
  }

  /// The next field between blanks; `nil` where there is none.
  mutating func field(_ bytes: Span<UInt8>) -> Range<Int>? {
    while position < end, Self.isBlank(bytes[position]) { position += 1 }
    guard position < end else { return nil }
    let start = position
    while position < end, !Self.isBlank(bytes[position]) { position += 1 }
    return start..<position
  }

  /// The next field as a number; `nil` where there is none, or it is no number.
  mutating func number(_ bytes: Span<UInt8>) -> Double? { field(bytes).flatMap { Self.number(bytes, $0) } }

  /// The text up to a byte, which is left out; the rest where the byte does not come.
  mutating func until(_ byte: UInt8, _ bytes: Span<UInt8>) -> Range<Int> {
    let start = position
    while position < end, bytes[position] != byte { position += 1 }
    let part = start..<position
    if position < end { position += 1 }
    return part
  }

  mutating func skip(_ count: Int, _ bytes: Span<UInt8>) {
    for _ in 0..<count where field(bytes) == nil { return }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

  // MARK: - Values

  /// A decimal number with an optional sign and fraction.
  static func number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
    var index = range.lowerBound
    var isNegative = false
    if index < range.upperBound, bytes[index] == UInt8(ascii: "-") {
      isNegative = true
      index += 1
    }
    var whole: UInt64 = 0
    var digits = 0
    while index < range.upperBound, let digit = digit(bytes[index]) {
      let (product, first) = whole.multipliedReportingOverflow(by: 10)
      let (sum, second) = product.addingReportingOverflow(digit)
      guard !first, !second else { return nil }
      whole = sum
      digits += 1
      index += 1
    }
    var value = Double(whole)
    if index < range.upperBound, bytes[index] == UInt8(ascii: ".") {
      index += 1
      var scale = 1.0
      var fraction = 0.0
      while index < range.upperBound, let digit = digit(bytes[index]), scale < 1e15 {
        fraction = fraction * 10 + Double(digit)
        scale *= 10
        digits += 1
        index += 1
      }
      value += fraction / scale
    }
    guard digits > 0, index == range.upperBound else { return nil }
    return isNegative ? -value : value
  }

  static func hexadecimal(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
    guard !range.isEmpty, range.count <= 16 else { return nil }
    var value: UInt64 = 0
    for index in range {
      let byte = bytes[index]
      let digit: UInt8
      switch byte {
      case 48...57: digit = byte - 48
      case 97...102: digit = byte - 87
      case 65...70: digit = byte - 55
      default: return nil
      }
      value = value << 4 | UInt64(digit)
    }
    return Double(value)
  }

  private static func digit(_ byte: UInt8) -> UInt64? { byte >= 48 && byte <= 57 ? UInt64(byte - 48) : nil }

  /// True when the text there is `word`.
  static func matches(_ bytes: Span<UInt8>, _ range: Range<Int>, _ word: StaticString) -> Bool {
    range.count == word.utf8CodeUnitCount && hasPrefix(bytes, range, word)
  }

  static func hasPrefix(_ bytes: Span<UInt8>, _ range: Range<Int>, _ word: StaticString) -> Bool {
    guard range.count >= word.utf8CodeUnitCount else { return false }
    return word.withUTF8Buffer { letters in
      for (offset, letter) in letters.enumerated() where bytes[range.lowerBound + offset] != letter { return false }
      return true
    }
  }

  static func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
    var copy: [UInt8] = []
    copy.reserveCapacity(range.count)
    for index in range { copy.append(bytes[index]) }
    return String(decoding: copy, as: UTF8.self)
  }
}
