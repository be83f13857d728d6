// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// Whether containers can serve file-systems to themselves here.
enum FileSystemServing {
  /// Why not; `nil` where they can.
  static let problem: String? = {
    if let problem = KeyUpcalls.problem { return problem }
    return FileSystem.exists("/dev/fuse") ? nil : "needs /dev/fuse (modprobe fuse)"
  }()
}
