// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// Everything of one agent that is global on a host, derived from its root directory, so that many agents can run side
/// by side.
public struct Instance: Sendable, Hashable {
  /// `/` for the installed agent, otherwise an absolute path without a trailing slash.
  public let root: String
  /// Eight hexadecimal digits.
  public let id: String

  public init(root: String) {
    let parts = root.split(separator: "/").filter { $0 != "." }
    self.root = parts.isEmpty ? "/" : "/" + parts.joined(separator: "/")
    // FNV-1a: a name, not a secret.
    var hash: UInt32 = 2_166_136_261
    for byte in self.root.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    let digits = String(hash, radix: 16)
    id = String(repeating: "0", count: 8 - digits.count) + digits
  }

  private func path(_ tail: String) -> String { root == "/" ? "/\(tail)" : "\(root)/\(tail)" }

  public var runDirectory: String { path("run/nodeagent") }
  public var stateDirectory: String { path("var/lib/nodeagent") }
  public var logDirectory: String { path("var/log/nodeagent") }
  public var nodeSocket: String { "\(runDirectory)/node.sock" }
  public var containerSocket: String { "\(runDirectory)/container.sock" }
  /// The node controller's, for its monitor alone.
  public var monitorSocket: String { "\(runDirectory)/monitor.sock" }
  /// The monitor's: the metrics by JSON-RPC, and by HTTP.
  public var metricsSocket: String { "\(runDirectory)/metrics.sock" }
  public var metricsHTTPSocket: String { "\(runDirectory)/metrics-http.sock" }
  /// The certificate manager's: for those who ask, and for what the kernel runs when a key is requested.
  public var certificateSocket: String { "\(runDirectory)/cert.sock" }
  public var redeemSocket: String { "\(certificateRun)/redeem.sock" }
  public var certificateRun: String { "\(runDirectory)/cert" }
  public var certificateState: String { "\(stateDirectory)/cert" }
  /// Held by the node controller while it lives.
  public var lockFile: String { "\(runDirectory)/node.lock" }

  /// The container controller's own: what it remembers over a reboot, and what only lives until then.
  public var controllerState: String { "\(stateDirectory)/controller" }
  public var controllerRun: String { "\(runDirectory)/controller" }
  /// The containers' directories; see the node controller's `ContainerFiles`.
  public var containers: String { "\(stateDirectory)/containers" }
  public var templates: String { "\(stateDirectory)/templates" }

  /// What the node controller keeps of its sub-systems: logs and how they ended, and what only lives until a reboot.
  public var subsystemState: String { "\(stateDirectory)/subsystems" }
  public var subsystemRun: String { "\(runDirectory)/subsystems" }
  /// The stream of events.
  public var events: String { "\(stateDirectory)/events" }
  /// The administrator's files.
  public var configuration: String { path("etc/nodeagent") }
  public var nodeChecks: String { "\(configuration)/checks.yaml" }
  public var alerts: String { "\(configuration)/alerts.yaml" }
  public var sinks: String { "\(configuration)/sinks.yaml" }
  public var metrics: String { "\(configuration)/metrics.yaml" }
  public var firewall: String { "\(configuration)/firewall.yaml" }
  public var certificates: String { "\(configuration)/certificates.yaml" }
  public var network: String { "\(configuration)/network.yaml" }
  public var subsystemUnits: String { "\(configuration)/subsystems.d" }

  /// The group of cgroups below the agent's own.
  public var cgroup: String { "nodeagent-\(id)" }
  /// The same for sub-systems.
  public var subsystemCgroup: String { "\(cgroup)-subsystems" }
}
