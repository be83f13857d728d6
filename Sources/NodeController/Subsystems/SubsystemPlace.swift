// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// Where a sub-system's processes live: who starts its keeper, and what holds them together. Calls wait.
protocol SubsystemPlace: Sendable {
  var backend: SubsystemBackend { get }

  /// Starts the keeper, in the sub-system's cgroup with its limits; `channel` becomes its descriptor 0. Where it has to
  /// put itself there, the entrances come with it (``CgroupHierarchy/entrances(to:)``).
  func startKeeper(_ spec: SubsystemSpec, channel: SharedDescriptor) throws -> (HeldProcess, [SharedDescriptor])
  /// Everything that runs there, the keeper too.
  func processes(of name: String) throws -> [Int32]
  func usage(of name: String) -> CgroupUsage
  func oomKills(of name: String) -> UInt64
  /// Runs a command beside the sub-system's process, as the same user, to its end.
  ///
  /// - Parameter timeout: milliseconds.
  /// - Returns: the end of what it wrote.
  /// - Throws: `start failed`, with the same, when its code is not 0.
  func run(_ command: [String], of spec: SubsystemSpec, as user: SubsystemUser, timeout: Int64) throws -> String
  /// Takes the place away; nothing runs there any more.
  func remove(_ name: String) throws
}

extension SubsystemPlace {
  /// Ends every process that runs there, but for the keeper. Returns how many there were.
  ///
  /// Again and again, because a process that is about to be ended may have started another.
  ///
  /// - Throws: `deadline exceeded` when some are there even so, such as those that the kernel does not end (state D).
  func endAll(of name: String, sparing keeper: Int32?) throws -> Int {
    var ended: Set<Int32> = []
    for _ in 0..<1000 {
      let left = try processes(of: name).filter { $0 != keeper }
      if left.isEmpty { return ended.count }
      for pid in left {
        do {
          let process = try HeldProcess(opening: pid)
          // Between the list and the descriptor the pid may have passed to another process: look again.
          guard try processes(of: name).contains(pid) else { continue }
          if try process.signal(SIGKILL) { ended.insert(pid) }
        } catch let error as SyscallError where error.errno == ESRCH {
          continue
        }
      }
      usleep(1000)
    }
    let left = try processes(of: name).filter { $0 != keeper }
    guard left.isEmpty else {
      throw RPCError(.deadlineExceeded, "processes \(left.prefix(8)) of \(name) do not end, though they were killed")
    }
    return ended.count
  }
}
