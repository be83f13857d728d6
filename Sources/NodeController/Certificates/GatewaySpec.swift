// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The gateway as a sub-system; without addresses to listen on there is none.
enum GatewaySpec {
  static let name = "gateway"

  /// - Parameter group: of those who may use the agent's sockets.
  static func make(_ instance: Instance, group: UInt32, listen: [String]) -> SubsystemSpec {
    var spec = SubsystemSpec(name: name)
    spec.about = "lets callers from other machines in"
    spec.command = [Executables.own, "gateway", "--root", instance.root]
    spec.user = "\(GatewayIdentity(instance: instance).uid)"
    spec.group = "\(group)"
    spec.readiness = .notify
    spec.watchdog = 60_000
    spec.restart = .init(condition: .always, delay: 100, maximumDelay: 5000, burst: 0)
    spec.sockets = listen.enumerated().map { .init(name: "remote\($0.offset)", listen: $0.element, early: true) }
    spec.wants = [CertificateManagerSpec.name]
    spec.limits.pids = 64
    spec.limits.memory = 256 << 20
    return spec
  }
}
