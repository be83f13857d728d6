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
    guard let text = try AdministratorFile.read(path) else { return [] }
    do {
      return try HealthCheckParser.parse(try DescriptorNode(file: path, text: text), ofNode: true)
    } catch {
      throw RPCError(.invalidParams, "nothing was changed: \(error)")
    }
  }
}
