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

    init(_ instance: Instance) throws {
      do {
        checks = try NodeChecks.read(instance.nodeChecks)
        sinks = try EventSinkParser.read(instance.sinks)
        rules = try AlertRuleParser.read(instance.alerts)
        metrics = try MetricsConfiguration.read(instance.metrics)
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
