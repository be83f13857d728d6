// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Synchronization

/// A connection that was switched to frames, used with blocking calls from a thread that may block.
public final class FramedSocket: Sendable {
  private let socket: SharedDescriptor
  public var descriptor: Int32 { socket.raw }

  /// Bytes that came with the answer which switched the connection.
  private let early: Mutex<[UInt8]>

  public init(_ socket: SharedDescriptor, early: [UInt8] = []) {
    self.socket = socket
    self.early = Mutex(early)
  }

  /// True when a frame, or a part of one, was read already: then poll(2) on the descriptor does not tell of it.
  public var hasEarlyBytes: Bool { early.withLock { !$0.isEmpty } }

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
    var bytes = early.withLock { early in
      let part = Array(early.prefix(count))
      early.removeFirst(part.count)
      return part
    }
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
