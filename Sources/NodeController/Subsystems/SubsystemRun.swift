// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LaunchPlan
import LinuxKernel

/// One run of a sub-system's process: from its start to the end of everything that it left behind.
final class SubsystemRun: Sendable {
  let keeper: HeldProcess
  /// `nil` when it had ended before it could be held.
  let workload: HeldProcess?
  let connection: KeeperConnection
  /// Nanoseconds of the monotonic clock.
  let started: UInt64
  /// The agent's id in its identity, and the keyring that has that.
  let identity: (agent: String, ring: Keyring.Serial)?

  init(
    keeper: HeldProcess, workload: HeldProcess?, connection: KeeperConnection, started: UInt64,
    identity: (agent: String, ring: Keyring.Serial)? = nil
  ) {
    self.identity = identity
    self.keeper = keeper
    self.workload = workload
    self.connection = connection
    self.started = started
  }
}
