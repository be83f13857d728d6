// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC

/// What is served on `metrics.sock`.
struct MetricsService: Sendable {
  let engine: MetricsEngine

  func add(to router: inout RPCRouter) {
    router.on(MetricMethods.list) { [engine] _, query in try await engine.list(query.names, query.labels) }
    router.on(MetricMethods.history) { [engine] _, query in try await engine.history(query) }
    router.on(MetricMethods.status) { [engine] _, _ in await engine.status() }
    router.onTopic(MetricMethods.topic) { [engine] _, query, sink in
      let interval = query.interval ?? 1000
      guard (100...3_600_000).contains(interval) else {
        throw RPCError(.invalidParams, "interval is \(interval) ms; it can be from 100 to 3600000")
      }
      var next = ContinuousClock.now
      while true {
        sink.offer(MetricSample(time: Timestamp.now, metrics: try await engine.list(query.names, query.labels)))
        next += .milliseconds(interval)
        try await Task.sleep(until: max(next, .now))
      }
    }
  }
}
