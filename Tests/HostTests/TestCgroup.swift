// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Synchronization

@testable import NodeController

/// Groups for agents under test where cgroup v2 is alone: each agent needs one without other processes, below one that
/// has none either. The tests' own processes move to a leaf for that.
enum TestCgroup {
  private static let count = Mutex(0)

  /// Where the tests were started; `nil` with other layouts, which do not mind.
  private static let parent: Result<String?, any Error> = Result {
    let layout = try AgentCgroup.layout(try FileSystem.readText("/proc/self/cgroup"))
    guard layout.mode == .unified, let own = layout.unified, FileSystem.exists("\(own)/cgroup.type") else { return nil }
    let leaf = "\(own)/tests"
    try FileSystem.makeDirectory(leaf, mode: 0o755)
    for attempt in 0... {
      for pid in try FileSystem.readText("\(own)/cgroup.procs").split(separator: "\n") {
        do throws(SyscallError) {
          try FileSystem.write(String(pid), toExisting: "\(leaf)/cgroup.procs")
        } catch {
          // It has ended meanwhile.
          guard error.errno == ESRCH else { throw error }
        }
      }
      do throws(SyscallError) {
        try FileSystem.write("+memory +cpu +pids +cpuset", toExisting: "\(own)/cgroup.subtree_control")
        return own
      } catch {
        // A child that was started meanwhile, or one that has ended and is not reaped yet.
        guard error.errno == EBUSY, attempt < 200 else { throw error }
        usleep(10_000)
      }
    }
    return own
  }

  /// Before a test starts any process: it would stand in the way.
  static func settle() throws { _ = try parent.get() }

  /// A new group for one start of an agent.
  static func make() throws -> String? {
    guard let parent = try parent.get() else { return nil }
    let number = count.withLock { count in
      count += 1
      return count
    }
    let directory = "\(parent)/agent-\(number)"
    try FileSystem.makeDirectory(directory, mode: 0o755)
    return directory
  }

  static func remove(_ directory: String) throws {
    for name in try FileSystem.names(in: directory) where FileSystem.exists("\(directory)/\(name)/cgroup.procs") {
      try remove("\(directory)/\(name)")
    }
    try FileSystem.removeDirectory(directory)
  }
}
