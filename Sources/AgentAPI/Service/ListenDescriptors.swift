// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Listening sockets that the service manager passed to this process (sd_listen_fds(3)).
public struct ListenDescriptors: Sendable {
  /// In their order; a socket without a name has that of systemd, `unknown`.
  public let sockets: [(name: String, socket: SharedDescriptor)]

  /// Takes them from the environment, once: they are closed with this value, and children get none of them.
  public static func take() throws(SyscallError) -> ListenDescriptors {
    let variables = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"].map { ServiceManager.variable($0) }
    for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] { unsetenv(name) }
    let names = names(count: variables[0], pid: variables[1], names: variables[2], own: getpid())
    var sockets: [(String, SharedDescriptor)] = []
    for (index, name) in names.enumerated() {
      let number = Int32(3 + index)
      guard fcntl(number, F_SETFD, FD_CLOEXEC) >= 0 else {
        throw SyscallError(call: "fcntl(F_SETFD)", object: "the passed socket \(number)", errno: errno)
      }
      sockets.append((name, SharedDescriptor(Descriptor(owning: number))))
    }
    return ListenDescriptors(sockets: sockets)
  }

  /// One name for each descriptor from 3 on; none when they are for another process.
  static func names(count: String?, pid: String?, names: String?, own: Int32) -> [String] {
    guard let count = count.flatMap({ Int($0) }), (1...64).contains(count), pid == nil || pid == "\(own)" else {
      return []
    }
    let given = (names ?? "").split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    return (0..<count).map { given.indices.contains($0) && !given[$0].isEmpty ? given[$0] : "unknown" }
  }

  public subscript(name: String) -> SharedDescriptor? { sockets.first { $0.name == name }?.socket }
}
