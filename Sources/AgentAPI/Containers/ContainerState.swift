// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Where a container is in its life.
public enum ContainerState: String, Sendable, Hashable, SchemaEnumeration {
  /// Its directories and ids are being made.
  case preparing
  /// Made, and never started.
  case created
  /// Its namespaces, mounts and workload are being started.
  case initializing
  /// Its workload runs and is ready.
  case available
  /// Its workload runs and is not ready.
  case unavailable
  /// It was asked to end.
  case stopping
  /// It ended as asked, or by itself with code 0; it can be started again.
  case stopped
  /// It ended otherwise; the reason says how.
  case failed
  /// It is being removed.
  case destroying
  /// It is gone.
  case destroyed

  /// True while it has processes, or is about to.
  public var isRunning: Bool {
    switch self {
    case .initializing, .available, .unavailable, .stopping: true
    default: false
    }
  }
}
