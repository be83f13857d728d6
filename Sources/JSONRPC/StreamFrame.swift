// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A piece of a connection that a method has switched to frames: one byte of kind, four bytes of length (big-endian),
/// then that many bytes.
public struct StreamFrame: Sendable, Equatable {
  public enum Kind: UInt8, Sendable {
    /// Bytes for the process; an empty frame ends its input.
    case input = 0
    case output = 1
    case error = 2
    /// The end: JSON `{"code":N}` or `{"signal":N}`.
    case exit = 3
    /// New size of the terminal: rows and columns, two bytes each, big-endian.
    case resize = 4
    /// A signal for the process: one byte.
    case signal = 5
    /// JSON progress of a transfer.
    case progress = 6
    /// A JSON-RPC error object; the stream ends.
    case failure = 7
    /// A JSON result; the stream ends.
    case result = 8
  }

  public static let headerSize = 5
  /// The longest payload that is taken.
  public static let longest = 1 << 20

  public var kind: Kind
  public var payload: [UInt8]

  public init(_ kind: Kind, _ payload: [UInt8] = []) {
    self.kind = kind
    self.payload = payload
  }

  public var encoded: [UInt8] {
    let count = UInt32(payload.count)
    return [kind.rawValue] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) } + payload
  }

  /// Reads the kind and length of a header; `nil` when it is none.
  public static func header(_ bytes: ArraySlice<UInt8>) -> (kind: Kind, length: Int)? {
    guard bytes.count >= headerSize, let kind = Kind(rawValue: bytes[bytes.startIndex]) else { return nil }
    let length = bytes.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
    return length <= longest ? (kind, length) : nil
  }
}
