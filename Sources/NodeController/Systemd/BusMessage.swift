// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CSystemd
import JSONRPC
import LinuxKernel

/// A D-Bus message that is built or read (sd_bus_message_append_basic(3), sd_bus_message_read_basic(3)).
struct BusMessage: ~Copyable {
  let raw: OpaquePointer?

  init(owning raw: OpaquePointer?) { self.raw = raw }
  deinit { sd_bus_message_unref(raw) }

  private static func code(_ type: Unicode.Scalar) -> CChar { CChar(truncatingIfNeeded: type.value) }

  // MARK: - Building

  borrowing func add(_ text: String, as type: Unicode.Scalar = "s") throws {
    try SystemBus.check(text.withCString { sd_bus_message_append_basic(raw, Self.code(type), $0) }, "a message")
  }

  borrowing func add(_ value: Bool) throws {
    var number: Int32 = value ? 1 : 0
    try SystemBus.check(sd_bus_message_append_basic(raw, Self.code("b"), &number), "a message")
  }

  borrowing func add(_ value: UInt64) throws {
    var number = value
    try SystemBus.check(sd_bus_message_append_basic(raw, Self.code("t"), &number), "a message")
  }

  /// A descriptor, which stays the caller's.
  borrowing func add(descriptor: Int32) throws {
    var number = descriptor
    try SystemBus.check(sd_bus_message_append_basic(raw, Self.code("h"), &number), "a message")
  }

  borrowing func container(
    _ type: Unicode.Scalar, _ contents: String, _ body: (borrowing BusMessage) throws -> Void
  ) throws {
    try SystemBus.check(sd_bus_message_open_container(raw, Self.code(type), contents), "a message")
    try body(self)
    try SystemBus.check(sd_bus_message_close_container(raw), "a message")
  }

  /// A member of an `a(sv)`.
  borrowing func property(_ name: String, _ type: String, _ body: (borrowing BusMessage) throws -> Void) throws {
    try container("r", "sv") { message in
      try message.add(name)
      try message.container("v", type, body)
    }
  }

  // MARK: - Reading

  /// A text, an object's path or a signature; `nil` at the end or where something else stands.
  static func text(_ message: OpaquePointer?, _ type: Unicode.Scalar) -> String? {
    var text: UnsafePointer<CChar>?
    guard sd_bus_message_read_basic(message, code(type), &text) > 0 else { return nil }
    return text.map { String(cString: $0) }
  }

  borrowing func text(_ type: Unicode.Scalar = "s") throws -> String {
    guard let text = Self.text(raw, type) else {
      throw RPCError(.internalError, "systemd's answer has no text where one is due")
    }
    return text
  }

  /// Reads the value of a property that stands in a variant, where it is of a type that is understood.
  borrowing func variant() throws -> BusValue? {
    var type: CChar = 0
    var contents: UnsafePointer<CChar>?
    try SystemBus.check(sd_bus_message_peek_type(raw, &type, &contents), "an answer")
    guard type == Self.code("v"), let contents else { return nil }
    let signature = String(cString: contents)
    try SystemBus.check(sd_bus_message_enter_container(raw, type, contents), "an answer")
    let value = read(signature)
    if value == nil { try SystemBus.check(sd_bus_message_skip(raw, signature), "an answer") }
    try SystemBus.check(sd_bus_message_exit_container(raw), "an answer")
    return value
  }

  private borrowing func read(_ signature: String) -> BusValue? {
    switch signature {
    case "s", "o": return Self.text(raw, signature.unicodeScalars.first!).map(BusValue.text)
    case "t":
      var number: UInt64 = 0
      return sd_bus_message_read_basic(raw, Self.code("t"), &number) > 0 ? .number(number) : nil
    case "u", "i":
      var number: UInt32 = 0
      return sd_bus_message_read_basic(raw, Self.code(signature.unicodeScalars.first!), &number) > 0
        ? .number(UInt64(number)) : nil
    default: return nil
    }
  }
}

/// A property's value, as far as the agent uses them.
enum BusValue: Sendable, Equatable {
  case text(String)
  case number(UInt64)
}
