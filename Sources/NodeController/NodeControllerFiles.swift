// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import HealthChecks
import JSONRPC

/// The administrator's files, read anew while the agent runs.
extension NodeController {
  private struct Files {
    let checks: [HealthCheck]
    let sinks: [EventSinkSpec]
    let rules: [AlertRule]
    let metrics: MetricsConfiguration
    let certificates: CertificateConfiguration

    init(_ instance: Instance) throws {
      do {
        checks = try NodeChecks.read(instance.nodeChecks)
        sinks = try EventSinkParser.read(instance.sinks)
        rules = try AlertRuleParser.read(instance.alerts)
        metrics = try MetricsConfiguration.read(instance.metrics)
        certificates = try CertificateConfiguration.read(instance.certificates)
      } catch {
        throw RPCError(.invalidParams, "nothing was changed: \((error as? RPCError)?.message ?? "\(error)")")
      }
    }
  }

  /// Makes what runs agree with the files.
  ///
  /// - Throws: when one of them cannot be used; nothing is changed then.
  func apply(dryRun: Bool, correlation: String?) async throws -> SubsystemPlan {
    let files = try Files(instance)
    let monitorSpec = MonitorSpec.make(
      instance, monitor, files.metrics, gateway: network.pool.gateway, group: identity.gid)
    var plan = try await subsystems.apply(dryRun: dryRun, correlation: correlation)
    func note(_ name: String, _ reason: String) {
      plan.steps.append(.init(action: .update, name: name, reason: reason))
    }
    if await health.checks(of: HealthRegistry.node) != files.checks {
      note(HealthRegistry.node, "its checks have changed")
    }
    if await subsystems.spec(of: monitorSpec.name) != monitorSpec {
      note(monitorSpec.name, "metrics.yaml has changed; it is started again")
      if !dryRun { try await subsystems.renew(monitorSpec) }
    }
    try await applyCertificates(files.certificates, dryRun: dryRun) { note($0, $1) }
    if await alerts.rules != files.rules {
      note("alerts", "the rules have changed")
      if !dryRun { await alerts.configure(files.rules) }
    }
    if await sinks.sinks != files.sinks {
      note("events", "the sinks have changed")
      if !dryRun { await sinks.configure(files.sinks) }
    }
    if !dryRun { await configureChecks(files.checks) }
    return plan
  }

  private func applyCertificates(
    _ wanted: CertificateConfiguration, dryRun: Bool, note: (String, String) -> Void
  ) async throws {
    let manager = CertificateManagerSpec.make(
      instance, CertificateManagerIdentity(instance: instance), number: number, controller: identity, wanted)
    if await subsystems.spec(of: manager.name) != manager {
      note(manager.name, "certificates.yaml has changed; it is started again")
      if !dryRun { try await subsystems.renew(manager) }
    }
    let gateway = GatewaySpec.make(instance, group: identity.gid, listen: wanted.remote)
    let known = await subsystems.spec(of: gateway.name)
    if (known == nil) != wanted.remote.isEmpty {
      note(
        gateway.name,
        known == nil
          ? "certificates.yaml has remote now; the gateway comes with the next start of the node controller"
          : "certificates.yaml has no remote any more; the gateway goes with the next start of the node controller")
    } else if let known, known != gateway {
      note(gateway.name, "certificates.yaml has changed; it is started again")
      if !dryRun { try await subsystems.renew(gateway) }
    }
  }

  /// Of the node and of all sub-systems; those of sub-systems that are gone end.
  private func configureChecks(_ ofNode: [HealthCheck]) async {
    await health.configure(HealthRegistry.node, ofNode)
    let known = await subsystems.checks
    for owner in Set(await health.list(nil).map(\.owner)) where owner != HealthRegistry.node && known[owner] == nil {
      await health.configure(owner, [])
    }
    for (name, checks) in known { await health.configure(name, checks) }
  }
}
