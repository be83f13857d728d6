// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LaunchPlan
import LinuxKernel

/// A process that can become PID 1 of any container: it has namespaces of its own, runs the harness, and waits for a
/// plan. It ends when this controller does, because the conversation then ends.
struct PreparedProcess: Sendable {
  let child: SpawnedProcess
  /// This controller's end of the conversation.
  let channel: SharedDescriptor

  /// Starts one.
  ///
  /// The harness is executed before the node controller has mapped any id, by a process that has no uid in its user
  /// namespace: ambient capabilities carry it over (capabilities(7), "Programmatically adjusting capability sets").
  init(harness: SharedDescriptor) throws(SyscallError) {
    let (own, theirs) = try UnixSocket.pair(.seqpacket)
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    var request = SpawnRequest(
      .descriptor(harness),
      arguments: ["nodeagent-harness", String(repeating: " ", count: LaunchPlan.longestName)])
    request.descriptors = [(null, 0), (null, 1), (null, 2), (theirs, 3)]
    request.namespaces = [.user, .pid, .mount, .uts, .ipc, .network]
    request.newSession = true
    request.sharesMemory = true
    let all = CapabilitySet.all.rawValue
    request.capabilities = .init(bounding: all, permitted: all, ambient: all)
    child = try request.start()
    channel = own
  }

  /// For one that nobody needs, or whose start failed: nothing of it stays, not even a zombie.
  func end() {
    try? child.pidfd.signal(SIGKILL)
    _ = try? child.pidfd.reap(wait: true)
  }
}
