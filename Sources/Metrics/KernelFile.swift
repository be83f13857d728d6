// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// A file of `/proc` or `/sys` that stays open and is read again from its beginning: the kernel makes its text anew at each
/// read from offset 0, and a path that need not be looked up again costs nothing.
final class KernelFile {
  let path: String
  /// A file of sysfs, which one read always gives whole (sysfs.rst).
  private let isAttribute: Bool
  private var descriptor: Descriptor?

  init(_ path: String, isAttribute: Bool = false) {
    self.path = path
    self.isAttribute = isAttribute
  }

  /// No file of these is larger on a machine that is well.
  private static let limit = 16 << 20

  /// Reads all of it; the text before is forgotten.
  ///
  /// - Throws: `ENOENT` where there is no such file, `EFBIG` when it is larger than anything of its kind.
  func read(into text: inout KernelText) throws(SyscallError) {
    text.clear()
    if descriptor == nil { descriptor = try FileSystem.open(path, flags: O_RDONLY | O_NONBLOCK) }
    do {
      try fill(&text)
    } catch {
      // What it was about may have gone and come again, as a network interface does.
      descriptor = nil
      throw error
    }
  }

  private func fill(_ text: inout KernelText) throws(SyscallError) {
    let raw = descriptor?.raw ?? -1
    while text.count < Self.limit {
      let count = text.append { room, offset in
        while true {
          let count = pread(raw, room.baseAddress, room.count, off_t(offset))
          if count >= 0 || errno != EINTR { return count }
        }
      }
      if count < 0 { throw SyscallError(call: "pread", object: path, errno: errno) }
      if count == 0 || isAttribute { return }
    }
    throw SyscallError(call: "pread", object: path, errno: EFBIG)
  }
}
