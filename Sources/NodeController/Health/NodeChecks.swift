// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Glibc
import JSONRPC
import LinuxKernel

/// The checks that belong to no sub-system: a list in a file of the administrator.
enum NodeChecks {
  /// None where there is no file.
  static func read(_ path: String) throws -> [HealthCheck] {
    let file: Descriptor
    do {
      file = try FileSystem.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
    } catch {
      if error.errno == ENOENT { return [] }
      throw error
    }
    try SubsystemUnits.check(file.raw, path)
    let text = String(decoding: try FileSystem.readAll(file.raw, limit: 1 << 20, object: path), as: UTF8.self)
    do {
      return try HealthCheckParser.parse(try DescriptorNode(file: path, text: text), ofNode: true)
    } catch {
      throw RPCError(.invalidParams, "nothing was changed: \(error)")
    }
  }
}
