// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import LinuxKernel

/// Where sub-systems say `READY=1` (sd_notify(3)); the kernel vouches for the sender's pid.
final class NotifySocket: Sendable {
  private let socket: SharedDescriptor

  init(path: String, group: UInt32) throws(SyscallError) {
    socket = SharedDescriptor(try UnixSocket.bind(path, kind: .datagram, mode: 0o660))
    try FileSystem.owner(path, uid: 0, gid: group)
    let result = cl_pass_credentials(socket.raw)
    if result < 0 { throw SyscallError(call: "setsockopt(SO_PASSCRED)", object: path, errno: -result) }
  }

  /// Tells of each `READY=1` with its sender, for ever.
  func listen(_ body: @escaping @Sendable (Int32) -> Void) throws(SyscallError) {
    let socket = socket
    try NamedThread.start("notify") {
      var bytes = [UInt8](repeating: 0, count: 4096)
      var peer = cl_peer()
      while true {
        let count = cl_receive_credentials(socket.raw, &bytes, bytes.count, &peer)
        if count < 0 {
          var poll = PollSet()
          poll.add(socket.raw)
          guard (try? poll.wait()) != nil else { return }
          continue
        }
        let lines = bytes.prefix(count).split(separator: UInt8(ascii: "\n"))
        if lines.contains(where: { $0.elementsEqual("READY=1".utf8) }) { body(peer.pid) }
      }
    }
  }
}
