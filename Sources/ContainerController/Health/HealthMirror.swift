// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import HealthChecks
import JSONRPC
import Logging

/// Tells the node controller how the containers' checks are, for `node status` and the metrics.
struct HealthMirror: Sendable {
  let instance: Instance
  let health: HealthRegistry
  let logger: Logger

  private static let interval: Duration = .seconds(5)

  func run() async {
    var told: [MetricSources.Check] = []
    while !Task.isCancelled {
      let checks = await health.list(nil).map {
        MetricSources.Check(
          owner: "container/\($0.owner)", name: $0.name, state: $0.state, failures: $0.failures,
          milliseconds: $0.milliseconds)
      }
      // Nobody has checks on most nodes: nothing is told then, and nothing wakes up for it.
      if checks != told || !checks.isEmpty {
        let path = instance.nodeSocket
        do {
          _ = try await Blocking.run {
            try RPCClient(path: path).call(HealthMethods.mirror, .init(checks: checks), deadline: 5000)
          }
          told = checks
        } catch {
          logger.debug("the containers' health could not be told", metadata: ["error": "\(error)"])
        }
      }
      try? await Task.sleep(for: Self.interval, tolerance: .seconds(1))
    }
  }
}
