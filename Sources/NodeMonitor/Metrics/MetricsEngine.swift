// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging
import Metrics

/// Collects the metrics when somebody asks, and every 15 seconds for the history.
actor MetricsEngine {
  private var table: SeriesTable
  private var node: NodeCollectors
  private let agent: AgentCollector
  private var history = MetricHistory()
  private let logger: Logger
  /// Asks the node controller for what that alone knows.
  private let fetch: @Sendable () async throws -> MetricSources
  private var sources: MetricSources?
  private var isAway = false
  /// What the last exposition took: the next one mostly takes as much.
  private var expected = 64 << 10
  private var listening: [String] = []
  private let cloud: CloudWatcher?
  private var alerts = AlertTracker()
  private var told: AlertMethods.Report?
  private let report: @Sendable (AlertMethods.Report) async throws -> Void

  static let interval: Duration = .seconds(15)

  init(
    roots: KernelRoots = .init(), cloud: CloudWatcher? = nil, logger: Logger,
    fetch: @escaping @Sendable () async throws -> MetricSources,
    report: @escaping @Sendable (AlertMethods.Report) async throws -> Void
  ) {
    var table = SeriesTable()
    node = NodeCollectors(roots, &table)
    agent = AgentCollector(&table)
    self.table = table
    self.cloud = cloud
    self.logger = logger
    self.fetch = fetch
    self.report = report
  }

  func listens(at addresses: [String]) { listening = addresses }

  /// Keeps the history until it is cancelled.
  func run() async {
    while !Task.isCancelled {
      await refresh()
      history.append(table, at: Self.now)
      table.recorded(history.added, keeping: history.firstKept)
      await alert()
      try? await Task.sleep(for: Self.interval, tolerance: .seconds(1))
    }
  }

  // MARK: - Alerts

  /// New rules are asked at once.
  func assign(_ assignments: AlertMethods.Assignments) async {
    alerts.assign(assignments, now: Self.now)
    // Whoever assigns knows nothing of what was told before.
    told = nil
    await refresh()
    await alert()
  }

  private func alert() async {
    // Without what the node controller knows, what fires would seem to have ended; nobody could be told either.
    guard !isAway else { return }
    let found = alerts.step(ExpressionEvaluator(table, history, now: Self.now), now: Self.now)
    guard found != told, !(alerts.isEmpty && told == nil && found.alerts.isEmpty) else { return }
    do {
      try await report(found)
      told = found
    } catch {
      // Again the next time.
      logger.debug("the alerts could not be told", metadata: ["error": "\(error)"])
    }
  }

  private static var now: Double { Double(Clock.wallMicroseconds()) / 1e6 }

  /// Reads everything anew.
  private func refresh() async {
    do {
      sources = try await fetch()
      isAway = false
    } catch {
      if !isAway { logger.notice("the node controller is away", metadata: ["error": "\(error)"]) }
      sources = nil
      isAway = true
    }
    let said = await cloud?.state
    // From here on nothing waits, so that no other scrape comes in between.
    table.begin()
    node.collect(into: &table)
    agent.collect(sources, said, into: &table)
  }

  func exposition(_ format: Exposition) async -> [UInt8] {
    await refresh()
    var text: [UInt8] = []
    text.reserveCapacity(expected + expected / 8)
    format.write(table, to: &text)
    expected = text.count
    return text
  }

  func list(_ names: [String]?, _ labels: [String: String]?) async throws -> [MetricView] {
    try Self.check(names)
    await refresh()
    return table.select(names, labels).map { family, places in
      MetricView(
        name: family.name, kind: family.kind.rawValue, help: family.help,
        series: places.map { place in
          let value = table.value(place)
          return .init(labels: Self.dictionary(table.labels(of: place)), value: value.isFinite ? value : nil)
        })
    }
  }

  func history(_ query: MetricMethods.HistoryQuery) throws -> [MetricHistoryView] {
    try Self.check(query.names)
    let since = query.since.map { Self.now - $0 } ?? -.infinity
    var views: [MetricHistoryView] = []
    for (family, places) in table.select(query.names, query.labels) {
      for (place, points) in zip(places, history.values(of: places, since: since)) {
        views.append(
          MetricHistoryView(
            name: family.name, labels: Self.dictionary(table.labels(of: place)), times: points.map(\.time),
            values: points.map(\.value)))
      }
      guard views.count <= Self.mostHistories else {
        throw RPCError(.invalidParams, "these are more than \(Self.mostHistories) series; ask for fewer")
      }
    }
    return views
  }

  private static let mostHistories = 1000

  func status() -> MetricStatus {
    MetricStatus(
      series: table.liveCount, dropped: table.dropped, failures: node.failures, listening: listening,
      historySeconds: history.earliest.map { Self.now - $0 } ?? 0, historyBytes: history.used)
  }

  private static func dictionary(_ labels: [(name: String, value: String)]) -> [String: String] {
    Dictionary(labels.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  private static func check(_ names: [String]?) throws {
    guard names?.count ?? 0 <= 1000 else { throw RPCError(.invalidParams, "at most 1000 names can be asked for") }
  }
}
