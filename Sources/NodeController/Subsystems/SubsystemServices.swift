// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import LogStore
import Logging

/// What every sub-system uses.
struct SubsystemServices: Sendable {
  let instance: Instance
  let watcher: DescriptorWatcher
  let place: any SubsystemPlace
  let keeper: KeeperIdentity
  let identities: SubsystemIdentities
  let events: EventLog
  let logger: Logger
  /// Told of every change of a sub-system's state.
  let changed: @Sendable (String, SubsystemState) -> Void
}
