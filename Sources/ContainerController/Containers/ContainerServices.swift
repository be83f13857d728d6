// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import HealthChecks
import LinuxKernel
import LogStore
import Logging

/// What every container of a controller works with.
struct ContainerServices: Sendable {
  let host: HostClient
  let launcher: Launcher
  let watcher: DescriptorWatcher
  let store: ContainerFileStore
  let cgroups: any CgroupHierarchy
  let events: EventLog
  let faults: FaultPoint
  let logger: Logger
  let health: HealthRegistry
  let identities: IdentityClient
  /// Gets each container's new state; must not wait.
  let changed: @Sendable (_ name: String, ContainerState) -> Void
}
