// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// The agent's listening sockets: root's, for one group.
enum AgentSocket {
  static func listen(_ path: String, group: UInt32) throws(SyscallError) -> SharedDescriptor {
    let socket = try UnixSocket.listen(path, mode: 0o600)
    try FileSystem.owner(path, uid: 0, gid: group)
    try FileSystem.mode(path, 0o660)
    return SharedDescriptor(socket)
  }
}
