// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Answers each connection on loopback with any bytes, and closes it; `nil` for no answer and no end.
public final class RawServer: Sendable {
  public let port: UInt16
  private let socket: SharedDescriptor

  /// - Parameter reads: waits for a request; else it closes as soon as it has accepted.
  public init(reads: Bool = true, _ answer: @escaping @Sendable (String) -> [UInt8]?) throws {
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
    try NamedThread.start("raw-server") {
      while true {
        let connection = accept(listening, nil, nil)
        guard connection >= 0 else {
          Glibc.close(listening)
          return
        }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = reads ? read(connection, &buffer, buffer.count) : 0
        guard let bytes = answer(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)) else { continue }
        bytes.withUnsafeBytes { raw in
          var offset = 0
          while offset < raw.count {
            let sent = send(connection, raw.baseAddress! + offset, raw.count - offset, Int32(MSG_NOSIGNAL))
            if sent <= 0 { break }
            offset += sent
          }
        }
        Glibc.close(connection)
      }
    }
  }

  /// Refuses from now on.
  public func close() { shutdown(socket.raw, Int32(SHUT_RDWR)) }
  deinit { close() }
}
