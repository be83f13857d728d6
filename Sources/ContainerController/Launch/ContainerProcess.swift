// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LaunchPlan
import LinuxKernel
import Synchronization

/// A container's PID 1, held by pidfd, with the conversation that goes with it.
final class ContainerProcess: Sendable {
  let pidfd: Pidfd
  let connection: HarnessConnection
  let runtime: RuntimeRecord
  /// Started by this controller, which then has to reap it.
  let isChild: Bool
  private let watch = Mutex<DescriptorWatcher.Watch?>(nil)

  init(pidfd: consuming Pidfd, connection: HarnessConnection, runtime: RuntimeRecord, isChild: Bool) {
    self.pidfd = pidfd
    self.connection = connection
    self.runtime = runtime
    self.isChild = isChild
  }

  /// Calls `body` once when PID 1 has ended.
  func whenEnded(_ watcher: DescriptorWatcher, _ body: @escaping @Sendable () -> Void) throws(SyscallError) {
    let armed = try watcher.watch(pidfd.descriptor.raw, body)
    watch.withLock { $0 = armed }
  }

  /// Stops watching, before the descriptors are closed.
  func forget(_ watcher: DescriptorWatcher) {
    if let armed = watch.withLock({ $0.take() }) { watcher.cancel(armed) }
    connection.stop()
  }
}
