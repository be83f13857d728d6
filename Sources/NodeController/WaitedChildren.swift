// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel
import Synchronization

/// The children that this process has started and whose end somebody waits for. All others are orphans that came to it
/// as their subreaper (`PR_SET_CHILD_SUBREAPER`, prctl(2)), and nobody else will reap them.
enum WaitedChildren {
  private static let pids = Mutex<Set<Int32>>([])

  /// Starts a child for which ``reap(_:)`` is called later.
  static func start(_ request: SpawnRequest) throws(SyscallError) -> SpawnedProcess {
    // In one step with its registration: it could end at once and be taken for an orphan.
    let result: Result<SpawnedProcess, SyscallError> = pids.withLock { pids in
      do throws(SyscallError) {
        let child = try request.start()
        pids.insert(child.pidfd.pid)
        return .success(child)
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Waits for the end of a child and takes its status.
  @discardableResult
  static func reap(_ child: borrowing Pidfd) throws(SyscallError) -> ExitStatus? {
    let pid = child.pid
    let status = try child.reap(wait: true)
    pids.withLock { _ = $0.remove(pid) }
    return status
  }

  /// Reaps every orphan that has ended.
  static func reapOrphans() throws(SyscallError) {
    for thread in try FileSystem.names(in: "/proc/self/task") {
      // A thread that ends meanwhile takes the list with it; its children go to another one's.
      guard let list = try? FileSystem.readText("/proc/self/task/\(thread)/children") else { continue }
      for pid in list.split(separator: " ").compactMap({ Int32($0) }) { reapOrphan(pid) }
    }
  }

  private static func reapOrphan(_ pid: Int32) {
    pids.withLock { pids in
      guard !pids.contains(pid), let process = try? Pidfd(opening: pid), !process.isRunning() else { return }
      // It may have another parent by now.
      _ = try? process.reap(wait: false)
    }
  }
}
