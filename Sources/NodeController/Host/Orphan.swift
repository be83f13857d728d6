// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// A process of the container controller's that may outlive it: the node controller is then its parent
/// (`PR_SET_CHILD_SUBREAPER`, prctl(2)) and has to reap it.
struct Orphan: Sendable, Equatable {
  var pid: Int32
  var startTime: UInt64

  /// Reaps the children that a dead container controller left to this process and that nobody knows, because they had
  /// not become a container. Called when its successor reports: the sub-systems run then.
  static func reapStrangers() throws(SyscallError) {
    for thread in try FileSystem.names(in: "/proc/self/task") {
      // A thread that ends meanwhile takes the list with it; its children go to another one's.
      guard let list = try? FileSystem.readText("/proc/self/task/\(thread)/children") else { continue }
      for pid in list.split(separator: " ").compactMap({ Int32($0) }) {
        guard let process = try? Pidfd(opening: pid), !process.isRunning() else { continue }
        // Somebody who waits for it may come first.
        _ = try? process.reap(wait: false)
      }
    }
  }

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
