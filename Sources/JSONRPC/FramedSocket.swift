// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// A connection that was switched to frames, used with blocking calls from a thread that may block.
public final class FramedSocket: Sendable {
  private let socket: SharedDescriptor
  public var descriptor: Int32 { socket.raw }

  public init(_ socket: SharedDescriptor) { self.socket = socket }

  public func write(_ frame: StreamFrame) throws(SyscallError) { try UnixSocket.send(frame.encoded, to: socket.raw) }

  /// The next frame; `nil` at the end of the connection or when the peer does not keep to the format.
  public func read() throws(SyscallError) -> StreamFrame? {
    guard let head = try exactly(StreamFrame.headerSize), let (kind, length) = StreamFrame.header(head[...]) else {
      return nil
    }
    guard let payload = try exactly(length) else { return nil }
    return StreamFrame(kind, payload)
  }

  private func exactly(_ count: Int) throws(SyscallError) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count {
      var chunk = [UInt8](repeating: 0, count: count - bytes.count)
      let read = try FileSystem.read(socket.raw, into: &chunk, object: "the connection")
      if read == 0 { return nil }
      bytes += chunk[..<read]
    }
    return bytes
  }
}
