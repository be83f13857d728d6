// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import TestServers

/// Passes connections on to a port of loopback, and cuts those whose answers are to be lost.
final class LosingProxy: Sendable {
  private let listener: LoopbackListener
  var port: Int { Int(listener.port) }

  /// - Parameter loses: asked before each part of an answer is passed on, on a thread of the connection's.
  init(to target: Int, loses: @escaping @Sendable () -> Bool) throws {
    var far = sockaddr_in()
    far.sin_family = sa_family_t(AF_INET)
    far.sin_port = in_port_t(UInt16(target).bigEndian)
    far.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    listener = try LoopbackListener("proxy") { [far] near in
      let next = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      let connected = withUnsafePointer(to: far) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(next, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      let started: Void? = try? NamedThread.start("proxied") {
        if connected == 0 { Self.pass(near, next, loses) }
        Glibc.close(near)
        Glibc.close(next)
      }
      guard started == nil else { return }
      Glibc.close(near)
      Glibc.close(next)
    }
  }

  private static func pass(_ near: Int32, _ far: Int32, _ loses: () -> Bool) {
    var buffer = [UInt8](repeating: 0, count: 16384)
    while true {
      var ends = [
        pollfd(fd: near, events: Int16(POLLIN), revents: 0), pollfd(fd: far, events: Int16(POLLIN), revents: 0),
      ]
      guard poll(&ends, 2, 60_000) > 0 else { return }
      for (index, other) in [(0, far), (1, near)] where ends[index].revents != 0 {
        let count = read(ends[index].fd, &buffer, buffer.count)
        guard count > 0 else { return }
        if index == 1, loses() { return }
        var sent = 0
        while sent < count {
          let now = buffer.withUnsafeBytes { send(other, $0.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL)) }
          guard now > 0 else { return }
          sent += now
        }
      }
    }
  }
}
