// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

extension FileSystem {
  /// Removes a directory with everything in it, never following a link and never leaving it.
  ///
  /// Each level is reached by descriptor from the one above (`O_NOFOLLOW`), so a tree that somebody changes meanwhile
  /// cannot lead out. Trees of any depth are handled without recursion and with a bounded number of descriptors: a
  /// directory deeper than 64 levels is moved up beside the top one and removed from there.
  public static func removeTree(_ name: String, in parent: Int32 = AT_FDCWD) throws(SyscallError) {
    if unlinkat(parent, name, 0) == 0 || errno == ENOENT { return }
    if errno != EISDIR && errno != EPERM && errno != ENOTEMPTY {
      throw SyscallError(call: "unlinkat", object: name, errno: errno)
    }
    let top = try openForRemoval(name, in: parent)
    var moved = 0
    // Directories that were too deep become children of `top`; go on until none is left.
    repeat {
      moved = 0
      try empty(top.raw, depth: 0, top: top.raw, moved: &moved)
    } while moved > 0
    try removeDirectory(name, in: parent)
  }

  private static let deepest = 64

  private static func openForRemoval(_ name: String, in parent: Int32) throws(SyscallError) -> Descriptor {
    try open(name, in: parent, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  }

  private static func empty(_ directory: Int32, depth: Int, top: Int32, moved: inout Int) throws(SyscallError) {
    for name in try names(in: directory) {
      if unlinkat(directory, name, 0) == 0 || errno == ENOENT { continue }
      guard errno == EISDIR || errno == EPERM else {
        throw SyscallError(call: "unlinkat", object: name, errno: errno)
      }
      if unlinkat(directory, name, AT_REMOVEDIR) == 0 { continue }
      if depth >= deepest {
        let inode = try status(of: name, in: directory).inode
        try checkErrno(renameat(directory, name, top, ".deep-\(inode)"), "renameat", name)
        moved += 1
        continue
      }
      do {
        let child = try openForRemoval(name, in: directory)
        try empty(child.raw, depth: depth + 1, top: top, moved: &moved)
      }
      try removeDirectory(name, in: directory)
    }
  }
}
