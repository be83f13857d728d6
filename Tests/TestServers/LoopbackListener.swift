// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// A TCP socket that listens on a free port of loopback, and takes connections on a thread of its own.
public final class LoopbackListener: Sendable {
  public let port: UInt16
  private let socket: SharedDescriptor

  /// - Parameter take: gets each connection, and has to close it.
  public init(_ name: String, take: @escaping @Sendable (Int32) -> Void) throws {
    guard let address = ListenAddress("tcp://127.0.0.1:0") else {
      throw SyscallError(call: "listen", object: "loopback", errno: EINVAL)
    }
    let socket = SharedDescriptor(try address.listen())
    self.socket = socket
    var bound = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &bound) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket.raw, $0, &length) }
    }
    port = UInt16(bigEndian: bound.sin_port)
    let listening = try socket.duplicate().take()
    try NamedThread.start(name) {
      while true {
        let connection = accept(listening, nil, nil)
        guard connection >= 0 else {
          Glibc.close(listening)
          return
        }
        take(connection)
      }
    }
  }

  /// Refuses from now on.
  public func close() { shutdown(socket.raw, Int32(SHUT_RDWR)) }
  deinit { close() }
}
