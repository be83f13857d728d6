// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// The room of one file-system, in bytes and inodes.
struct FileSystemFigures: Sendable {
  let size: Double
  let free: Double
  let available: Double
  let files: Double
  let filesFree: Double

  /// Asks the kernel, which waits for as long as the file-system does not answer; `nil` when it fails.
  init?(of path: String) {
    var answer = statvfs()
    var result: Int32
    repeat { result = statvfs(path, &answer) } while result < 0 && errno == EINTR
    guard result == 0 else { return nil }
    let block = Double(answer.f_frsize)
    size = Double(answer.f_blocks) * block
    free = Double(answer.f_bfree) * block
    available = Double(answer.f_bavail) * block
    files = Double(answer.f_files)
    filesFree = Double(answer.f_ffree)
  }
}
