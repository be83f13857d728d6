// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The monitor as a sub-system.
enum MonitorSpec {
  /// - Parameters:
  ///   - gateway: the address where containers ask for names.
  ///   - group: of those who may ask for the metrics by JSON-RPC.
  static func make(
    _ instance: Instance, _ identity: MonitorIdentity, _ metrics: MetricsConfiguration, gateway: String, group: UInt32
  ) -> SubsystemSpec {
    var spec = SubsystemSpec(name: "monitor")
    spec.about = "looks at services over the network, and keeps the metrics"
    spec.command = [Executables.own, "monitor", "--root", instance.root]
    spec.command += metrics.listen.flatMap { ["--metrics-listen", $0] }
    if let cloud = metrics.cloud { spec.command += ["--cloud", cloud.provider] }
    if let endpoint = metrics.cloud?.endpoint { spec.command += ["--cloud-endpoint", endpoint] }
    spec.user = "\(identity.uid)"
    spec.group = "\(identity.gid)"
    spec.readiness = .notify
    spec.watchdog = 60_000
    spec.restart = .init(condition: .always, delay: 100, maximumDelay: 5000, burst: 0)
    spec.sockets = [
      .init(name: "metrics", listen: "unix://\(instance.metricsSocket)", mode: 0o660, group: "\(group)"),
      .init(name: "metrics-http", listen: "unix://\(instance.metricsHTTPSocket)", mode: 0o666),
      // The bridge, whose address this is, comes with the first container.
      .init(name: "dns", listen: "udp://\(gateway):\(NameMethods.port)", early: true),
      .init(name: "dns-tcp", listen: "tcp://\(gateway):\(NameMethods.port)", early: true),
    ]
    spec.limits.pids = 64
    spec.limits.memory = 256 << 20
    return spec
  }
}
