// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// User namespaces that only exist to say how a mount translates ids (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
enum IdentityMapping {
  /// A namespace by which files that belong to `disk`… on disk belong to `seen`… through the mount.
  ///
  /// A child holds the namespace while its map is written and ends at once: the descriptor keeps it.
  static func namespace(disk: UInt32, seen: UInt32, count: UInt32) throws(SyscallError) -> Descriptor {
    let gate = try Pipe()
    var request = SpawnRequest(.pause, arguments: ["id map"])
    request.namespaces = .user
    request.gate = gate.reading
    let child = try request.start()
    defer {
      // The map's holder waits for nothing else.
      try? child.pidfd.signal(SIGKILL)
      _ = try? child.pidfd.reap(wait: true)
    }
    let process = "/proc/\(child.pidfd.pid)"
    let map = "\(disk) \(seen) \(count)"
    try FileSystem.write(map, toExisting: "\(process)/uid_map")
    try FileSystem.write(map, toExisting: "\(process)/gid_map")
    return try FileSystem.open("\(process)/ns/user", flags: O_RDONLY)
  }
}
