// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Appends values to a byte string: numbers as LEB128, texts and byte strings with their length before them.
public struct ByteWriter: Sendable {
  public private(set) var bytes: [UInt8] = []
  public init() {}

  public mutating func write(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// Negative numbers are short too: the sign is the lowest bit.
  public mutating func write(signed value: Int64) { write(UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

  public mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }

  public mutating func write(_ value: [UInt8]) {
    write(UInt64(value.count))
    bytes += value
  }

  public mutating func write(_ value: String) { write(Array(value.utf8)) }

  public mutating func write<Element>(_ list: [Element], _ each: (inout ByteWriter, Element) -> Void) {
    write(UInt64(list.count))
    for element in list { each(&self, element) }
  }
}

/// Bytes that are no message of ours.
public struct DecodingFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public var reason: String
  public var offset: Int
  public var description: String { "\(reason) at byte \(offset)" }
}

/// Reads what ``ByteWriter`` wrote; never reads past the end and never allocates more than the input is long.
public struct ByteReader: Sendable {
  private let bytes: [UInt8]
  private var offset = 0
  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  public func failure(_ reason: String) -> DecodingFailure { DecodingFailure(reason: reason, offset: offset) }

  public mutating func readByte() throws(DecodingFailure) -> UInt8 {
    guard offset < bytes.count else { throw failure("unexpected end") }
    defer { offset += 1 }
    return bytes[offset]
  }

  public mutating func readNumber() throws(DecodingFailure) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try readByte()
      let part = UInt64(byte & 0x7f)
      guard shift < 63 || (shift == 63 && part <= 1) else { throw failure("number too large") }
      value |= part << shift
      if byte & 0x80 == 0 { return value }
      shift += 7
    }
  }

  public mutating func readNumber<Number: FixedWidthInteger>(as: Number.Type) throws(DecodingFailure) -> Number {
    guard let number = Number(exactly: try readNumber()) else { throw failure("number out of range") }
    return number
  }

  public mutating func readSigned() throws(DecodingFailure) -> Int64 {
    let value = try readNumber()
    return Int64(bitPattern: (value >> 1) ^ (0 &- (value & 1)))
  }

  public mutating func readSigned32() throws(DecodingFailure) -> Int32 {
    guard let number = Int32(exactly: try readSigned()) else { throw failure("number out of range") }
    return number
  }

  public mutating func readBool() throws(DecodingFailure) -> Bool {
    switch try readByte() {
    case 0: return false
    case 1: return true
    default: throw failure("neither true nor false")
    }
  }

  public mutating func readBytes() throws(DecodingFailure) -> [UInt8] {
    guard let count = Int(exactly: try readNumber()), count <= bytes.count - offset else {
      throw failure("length beyond the end")
    }
    defer { offset += count }
    return Array(bytes[offset..<offset + count])
  }

  public mutating func readString() throws(DecodingFailure) -> String {
    let bytes = try readBytes()
    guard let text = String(validating: bytes, as: UTF8.self) else { throw failure("text is not UTF-8") }
    return text
  }

  public mutating func readList<Element>(
    _ each: (inout ByteReader) throws(DecodingFailure) -> Element
  ) throws(DecodingFailure) -> [Element] {
    // Every element takes a byte at least, which bounds what a hostile count can make us allocate.
    guard let count = Int(exactly: try readNumber()), count <= bytes.count - offset else {
      throw failure("list longer than the message")
    }
    var list: [Element] = []
    list.reserveCapacity(count)
    for _ in 0..<count { list.append(try each(&self)) }
    return list
  }

  public func expectEnd() throws(DecodingFailure) {
    if offset != bytes.count { throw failure("bytes after the end") }
  }
}
