// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import Glibc
import LinuxKernel
import Testing

@Suite struct UnixSocketTests {
  @Test func `descriptors travel with a message and are close-on-exec`() throws {
    let (left, right) = try UnixSocket.pair(.seqpacket)
    let file = try FileSystem.open("/etc/hostname", flags: O_RDONLY)
    try UnixSocket.send([1, 2, 3], borrowing: [file.raw, file.raw], to: left.raw)
    let message = try UnixSocket.receive(from: right.raw)
    #expect(message.bytes == [1, 2, 3])
    #expect(message.descriptors.count == 2)
    for descriptor in message.descriptors {
      #expect(fcntl(descriptor.raw, F_GETFD) & FD_CLOEXEC != 0)
      #expect(try FileSystem.status(of: descriptor.raw) == FileSystem.status(of: file.raw))
    }
  }

  @Test func `the peer is who the kernel says`() throws {
    let (left, _) = try UnixSocket.pair(.stream)
    let peer = try PeerCredentials(of: left.raw)
    #expect((peer.pid, peer.uid, peer.gid) == (getpid(), getuid(), getgid()))
  }

  @Test func `a long path works, and a stale socket is replaced`() throws {
    let scratch = Scratch()
    let directory = "\(scratch.path)/" + String(repeating: "d", count: 150)
    try FileSystem.makeDirectory(directory, mode: 0o755)
    for _ in 0..<2 {
      let listening = try UnixSocket.listen("\(directory)/s.sock", mode: 0o600)
      let client = try UnixSocket.connect("\(directory)/s.sock")
      _ = (listening.raw, client.raw)
    }
  }

  @Test func `a file in the place of a socket is not touched`() throws {
    let scratch = Scratch()
    try FileSystem.replace("\(scratch.path)/s.sock", with: [1], mode: 0o600)
    #expect(throws: SyscallError.self) { _ = try UnixSocket.listen("\(scratch.path)/s.sock", mode: 0o600) }
    #expect(try FileSystem.read("\(scratch.path)/s.sock") == [1])
  }
}
