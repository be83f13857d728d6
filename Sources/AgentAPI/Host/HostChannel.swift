// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import LinuxKernel

/// One line of a host channel with the descriptors that came with it.
public struct HostMessage: Sendable {
  public var line: [UInt8]
  public var descriptors: [SharedDescriptor]
  public init(line: [UInt8], descriptors: [SharedDescriptor] = []) {
    self.line = line
    self.descriptors = descriptors
  }
}

/// The two directions of a host channel: lines with descriptors over a stream socket, blocking.
public final class HostChannel {
  /// The longest line; a launch is far below it.
  public static let longestLine = 64 << 10
  private let socket: SharedDescriptor
  private var buffer: [UInt8] = []
  private var held: [SharedDescriptor] = []

  public init(_ socket: SharedDescriptor) { self.socket = socket }

  public func send(_ line: [UInt8], descriptors: [SharedDescriptor] = []) throws(SyscallError) {
    try UnixSocket.send(line + [0x0a], descriptors: descriptors, to: socket.raw)
  }

  /// Sends a line with a descriptor that the caller keeps open until this returns.
  public func send(_ line: [UInt8], borrowing descriptor: Int32?) throws(SyscallError) {
    try UnixSocket.send(line + [0x0a], borrowing: descriptor.map { [$0] } ?? [], to: socket.raw)
  }

  /// The next line; `nil` at the end. Descriptors are attached to the first byte of their line, and the kernel never
  /// joins two such messages in one read, so those held when a line is complete are that line's.
  public func receive() throws -> HostMessage? {
    while true {
      if let end = buffer.firstIndex(of: 0x0a) {
        let line = Array(buffer[..<end])
        buffer.removeFirst(end + 1)
        defer { held = [] }
        return HostMessage(line: line, descriptors: held)
      }
      guard buffer.count <= Self.longestLine, held.count <= 16 else {
        throw RPCError(.lineTooLong, "a host call is at most \(Self.longestLine) bytes with 16 descriptors")
      }
      let part = try UnixSocket.receive(from: socket.raw, capacity: 16 << 10, descriptors: 16)
      if part.bytes.isEmpty { return nil }
      buffer += part.bytes
      held += part.descriptors
    }
  }
}
