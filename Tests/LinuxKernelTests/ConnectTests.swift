// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

/// Connections that are begun without waiting.
@Suite struct ConnectTests {
  private static func port(of socket: borrowing Descriptor) -> UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket.raw, $0, &length) }
    }
    return UInt16(bigEndian: address.sin_port)
  }

  @Test func `a listener is reached, and a closed port is refused`() async throws {
    let watcher = try DescriptorWatcher(name: "test")
    let listener = try #require(ListenAddress("tcp://127.0.0.1:0")).listen()
    let port = Self.port(of: listener)
    let open = SharedDescriptor(try #require(ListenAddress("tcp://127.0.0.1:\(port)")).beginConnect())
    await watcher.untilWritable(open)
    #expect(ListenAddress.connectionError(of: open.raw) == 0)
    close(listener)
    // Nobody listens any more: said at once, or when the socket can be written.
    do {
      let refused = SharedDescriptor(try #require(ListenAddress("tcp://127.0.0.1:\(port)")).beginConnect())
      await watcher.untilWritable(refused)
      #expect(ListenAddress.connectionError(of: refused.raw) == ECONNREFUSED)
    } catch let error as SyscallError {
      #expect(error.errno == ECONNREFUSED)
    }
  }

  private func close(_ descriptor: consuming Descriptor) {}

  @Test func `a unix listener is reached until its queue is full`() throws {
    let path = "/tmp/nodeagent-connect-\(getpid()).sock"
    defer { unlink(path) }
    let address = try #require(ListenAddress("unix://\(path)"))
    #expect(throws: SyscallError.self) { try Self.begin(address) }
    let listener = try UnixSocket.listen(path, mode: 0o600, backlog: 1)
    var held: [SharedDescriptor] = []
    let full = #expect(throws: SyscallError.self) {
      for _ in 0..<10 { held.append(try Self.begin(address)) }
    }
    #expect(full?.errno == EAGAIN)
    #expect(held.count >= 1)
    withExtendedLifetime(listener) {}
  }

  private static func begin(_ address: ListenAddress) throws -> SharedDescriptor {
    SharedDescriptor(try address.beginConnect())
  }
}
