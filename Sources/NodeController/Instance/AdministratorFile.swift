// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import JSONRPC
import LinuxKernel

/// A configuration file that only root may have written.
enum AdministratorFile {
  /// Its text; `nil` where there is no file.
  ///
  /// - Throws: `permission denied` when others can write it.
  static func read(_ path: String) throws -> String? {
    let file: Descriptor
    do {
      file = try FileSystem.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
    } catch {
      if error.errno == ENOENT { return nil }
      throw error
    }
    try SubsystemUnits.check(file.raw, path)
    return String(decoding: try FileSystem.readAll(file.raw, limit: 1 << 20, object: path), as: UTF8.self)
  }
}
