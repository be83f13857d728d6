// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The monitor as a sub-system.
enum MonitorSpec {
  static func make(_ instance: Instance, _ identity: MonitorIdentity) -> SubsystemSpec {
    var spec = SubsystemSpec(name: "monitor")
    spec.about = "looks at services over the network"
    spec.command = [Executables.own, "monitor", "--root", instance.root]
    spec.user = "\(identity.uid)"
    spec.group = "\(identity.gid)"
    spec.readiness = .notify
    spec.watchdog = 60_000
    spec.restart = .init(condition: .always, delay: 100, maximumDelay: 5000, burst: 0)
    spec.limits.pids = 64
    spec.limits.memory = 256 << 20
    return spec
  }
}
