// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

/// Answers each connection on loopback with any bytes, and closes it; `nil` for no answer and no end.
final class RawServer: Sendable {
  let port: UInt16
  private let socket: SharedDescriptor

  /// - Parameter reads: waits for a request; else it closes as soon as it has accepted.
  init(reads: Bool = true, _ answer: @escaping @Sendable (String) -> [UInt8]?) throws {
    let address = try #require(ListenAddress("tcp://127.0.0.1:0"))
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
  func close() { shutdown(socket.raw, Int32(SHUT_RDWR)) }
  deinit { close() }
}
