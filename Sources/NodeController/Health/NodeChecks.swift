// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Glibc
import HealthChecks
import JSONRPC
import LinuxKernel

/// The checks that belong to no sub-system: a list in a file of the administrator.
enum NodeChecks {
  /// None where there is no file.
  static func read(_ path: String) throws -> [HealthCheck] {
    try AdministratorFile.parse(path) {
      try HealthCheckParser.parse(try DescriptorNode(file: path, text: $0), of: .node)
    } ?? []
  }
}
