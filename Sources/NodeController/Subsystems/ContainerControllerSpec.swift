// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc

/// The container controller as a sub-system, where no service manager runs it.
enum ContainerControllerSpec {
  static let name = "container-controller"

  static func make(_ instance: Instance, _ identity: ControllerIdentity) -> SubsystemSpec {
    var spec = SubsystemSpec(name: name)
    spec.about = "builds and keeps the containers"
    spec.command = [Executables.own, "container-controller", "--root", instance.root]
    spec.user = "\(identity.uid)"
    spec.group = "\(identity.gid)"
    spec.readiness = .notify
    spec.stopTimeout = 120_000
    spec.watchdog = 60_000
    // Others wait for it: it is never given up.
    spec.restart = .init(condition: .always, delay: 100, maximumDelay: 1000, burst: 0)
    spec.limits.files = fileLimit
    spec.sockets = [
      .init(name: "container", listen: "unix://\(instance.containerSocket)", mode: 0o660, group: spec.group)
    ]
    // Only what it is meant to see.
    if let level = getenv("NODEAGENT_LOG") { spec.environment["NODEAGENT_LOG"] = String(cString: level) }
    return spec
  }

  /// As many as this process may have: each container takes some.
  private static var fileLimit: UInt64? {
    var limit = rlimit()
    return getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? UInt64(limit.rlim_max) : nil
  }
}
