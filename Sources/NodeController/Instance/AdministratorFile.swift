// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import JSONRPC
import LinuxKernel

/// A configuration file that only root may have written.
enum AdministratorFile {
  /// What it says; `nil` where there is no file.
  ///
  /// - Throws: `invalid params` when it says what nobody can do.
  static func parse<Value>(_ path: String, _ parse: (String) throws -> Value) throws -> Value? {
    do {
      return try read(path).map(parse)
    } catch {
      throw RPCError(.invalidParams, (error as? RPCError)?.message ?? "\(error)")
    }
  }

  /// Its text; `nil` where there is no file.
  ///
  /// - Throws: `permission denied` when others can write it.
  private static func read(_ path: String) throws -> String? {
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
