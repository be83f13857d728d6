// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Answers each connection on loopback with any bytes, and closes it; `nil` for no answer and no end.
public final class RawServer: Sendable {
  private let listener: LoopbackListener
  public var port: UInt16 { listener.port }

  /// - Parameter reads: waits for a request; else it closes as soon as it has accepted.
  public init(reads: Bool = true, _ answer: @escaping @Sendable (String) -> [UInt8]?) throws {
    listener = try LoopbackListener("raw-server") { connection in
      var buffer = [UInt8](repeating: 0, count: 8192)
      let count = reads ? read(connection, &buffer, buffer.count) : 0
      guard let bytes = answer(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)) else { return }
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

  /// Refuses from now on.
  public func close() { listener.close() }
}
