// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// Notices of changes in directories (inotify(7)).
public struct Inotify: ~Copyable, Sendable {
  public let descriptor: Descriptor

  public init() throws(SyscallError) {
    descriptor = Descriptor(
      owning: try checkErrno(inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK)), "inotify_init1", "inotify"))
  }

  /// Watches a directory for files that are made, written, renamed or removed.
  public borrowing func watch(_ path: String) throws(SyscallError) {
    let mask = UInt32(IN_CREATE) | UInt32(IN_MODIFY) | UInt32(IN_MOVED_TO) | UInt32(IN_DELETE)
    try checkErrno(inotify_add_watch(descriptor.raw, path, mask), "inotify_add_watch", path)
  }

  /// Waits for a change and forgets what it was; false when `milliseconds` passed without one.
  public borrowing func wait(milliseconds: Int32) throws(SyscallError) -> Bool {
    var poll = PollSet()
    poll.add(descriptor.raw)
    guard try poll.wait(milliseconds: milliseconds) else { return false }
    var buffer = [UInt8](repeating: 0, count: 4096)
    _ = try? FileSystem.read(descriptor.raw, into: &buffer, object: "inotify")
    return true
  }
}
