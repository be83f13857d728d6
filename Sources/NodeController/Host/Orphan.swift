// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// A process of the container controller's that may outlive it: the node controller is then its parent
/// (`PR_SET_CHILD_SUBREAPER`, prctl(2)) and has to reap it.
struct Orphan: Sendable, Equatable {
  var pid: Int32
  var startTime: UInt64

  /// Reaps it if it is this process's child and has ended. True when it is gone, whoever reaped it.
  @discardableResult
  func reap() -> Bool {
    guard let identity = try? ProcessStatus.identity(of: pid), identity.startTime == startTime else { return true }
    do {
      let pidfd = try Pidfd(opening: pid)
      return try pidfd.reap(wait: false) != nil
    } catch {
      // Not a child: its own parent does it.
      return false
    }
  }
}
