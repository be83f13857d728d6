// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The certificate manager as a sub-system.
enum CertificateManagerSpec {
  static let name = "cert-manager"

  /// - Parameter controller: who the container controller is, and the group of those who may ask.
  /// - Parameter configuration: as the administrator wants it.
  static func make(
    _ instance: Instance, _ identity: CertificateManagerIdentity, number: InstanceNumber,
    controller: ControllerIdentity,
    _ configuration: CertificateConfiguration
  ) -> SubsystemSpec {
    var spec = SubsystemSpec(name: name)
    spec.about = "gives agents their identities"
    spec.command = [
      Executables.own, "cert-manager", "--root", instance.root, "--number", "\(number.value)", "--controller-uid",
      "\(controller.uid)",
    ]
    if !configuration.remote.isEmpty {
      spec.command += ["--gateway-uid", "\(GatewayIdentity(instance: instance).uid)"]
    }
    for (option, value) in [
      ("--authority", configuration.authority), ("--authority-root", configuration.root),
      ("--bootstrap", configuration.bootstrap),
    ] {
      if let value { spec.command += [option, value] }
    }
    spec.user = "\(identity.uid)"
    spec.group = "\(identity.gid)"
    spec.readiness = .notify
    spec.watchdog = 60_000
    // Others wait for it: it is never given up.
    spec.restart = .init(condition: .always, delay: 100, maximumDelay: 5000, burst: 0)
    // Its own, so that it can look whether it answers.
    spec.sockets = [
      .init(
        name: "cert", listen: "unix://\(instance.certificateSocket)", mode: 0o660, user: "\(identity.uid)",
        group: "\(controller.gid)")
    ]
    if let address = configuration.callBack {
      spec.sockets.append(.init(name: "callback", listen: address, early: true))
    }
    spec.limits.pids = 64
    spec.limits.memory = 256 << 20
    return spec
  }
}
