// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import JSONRPC
import LinuxKernel
import LogStore
import Logging
import Probing

/// All health checks: decides from what is seen, and has the remedy applied.
///
/// What is not looked at by its own controller is assigned to the monitor, which has no privilege and reports what it saw.
///
/// A controller has one for what it keeps running: the node controller for sub-systems and the node, the container
/// controller for containers.
public actor HealthRegistry {
  private struct Entry {
    let owner: String
    var machine: HealthMachine
    var generation: UInt64
    var interval: Int64
    var since = Clock.wallMicroseconds()
    var last: (result: ProbeResult, time: Int64)?
    var remedy: String?
    var history: [HealthView.Change] = []
    var check: HealthCheck { machine.check }
  }

  /// The owner of checks that belong to no sub-system.
  public static let node = "node"
  private static let keptChanges = 50

  private let events: EventLog
  private let logger: Logger
  /// Does what an action says; returns words for what was done.
  private let remedy: @Sendable (_ owner: String, HealthCheck.Action, _ cause: String) async throws -> String
  private var entries: [String: Entry] = [:]
  private var order: [String] = []
  private var running: Set<String> = [node]
  /// Kept in a file: a node controller that is started again in the middle of somebody's work must not interfere.
  private var maintained: Set<String> = []
  private let maintenanceFile: String
  private let broadcast = Broadcast<HealthMethods.Assignments>()
  private var local: ProbeScheduler?
  /// Of the run, or the check, that was told of last: what is seen of an earlier one does not count.
  private var generation: UInt64 = 0
  private var lateCount = 0
  private var lateTold = -60.0

  private let kind: HealthView.OwnerKind
  private let isLocal: @Sendable (HealthCheck.Probe) -> Bool
  private let changed: @Sendable (_ owner: String, HealthState?) -> Void

  /// - Parameters:
  ///   - kind: what the owners are, ``node`` apart.
  ///   - maintenanceFile: where it is kept who is not to be checked.
  ///   - isLocal: true for what this process looks at itself.
  ///   - changed: gets the worst state of an owner's checks whenever one of them changes; must not wait.
  ///   - remedy: does what an action says, and returns words for what was done.
  public init(
    of kind: HealthView.OwnerKind, maintenanceFile: String, events: EventLog, logger: Logger,
    isLocal: @escaping @Sendable (HealthCheck.Probe) -> Bool,
    changed: @escaping @Sendable (_ owner: String, HealthState?) -> Void = { _, _ in },
    remedy: @escaping @Sendable (_ owner: String, HealthCheck.Action, _ cause: String) async throws -> String
  ) {
    self.kind = kind
    self.maintenanceFile = maintenanceFile
    self.events = events
    self.logger = logger
    self.isLocal = isLocal
    self.changed = changed
    self.remedy = remedy
    maintained = Set(SavedState.read([String].self, maintenanceFile, logger: logger) ?? [])
  }

  /// Begins to look at what is looked at here.
  public func start(_ probe: @escaping ProbeScheduler.Probe) async {
    local = ProbeScheduler(probe: probe, report: { result in Task { await self.take([result]) } })
    await assign()
  }

  public func stop() async { await local?.stop() }

  // MARK: - Looking

  public func list(_ owners: [String]?) -> [HealthView] {
    order.compactMap { entries[$0] }.filter { owners?.contains($0.owner) ?? true }.map { entry in
      HealthView(
        ownerKind: entry.owner == Self.node && kind == .subsystem ? .node : kind, owner: entry.owner,
        name: entry.check.name, kind: entry.check.probe.kind, state: entry.machine.state,
        since: Timestamp.text(microseconds: entry.since), failures: entry.machine.failures,
        output: entry.last?.result.output, checked: entry.last.map { Timestamp.text(microseconds: $0.time) },
        milliseconds: entry.last?.result.milliseconds, remedy: entry.remedy, interval: entry.interval,
        history: entry.history)
    }
  }

  public func checks(of owner: String) -> [HealthCheck] {
    order.compactMap { entries[$0] }.filter { $0.owner == owner }.map(\.check)
  }

  private func worst(of owner: String) -> HealthState? {
    HealthState.worst(entries.values.filter { $0.owner == owner }.map(\.machine.state))
  }

  // MARK: - What is checked

  /// Makes these the checks of `owner`. Those that have not changed go on.
  public func configure(_ owner: String, _ checks: [HealthCheck]) async {
    let ids = Set(checks.map { "\(owner)/\($0.name)" })
    for (id, entry) in entries where entry.owner == owner && !ids.contains(id) {
      entries[id] = nil
      order.removeAll { $0 == id }
    }
    for check in checks {
      let id = "\(owner)/\(check.name)"
      guard entries[id]?.check != check else { continue }
      generation += 1
      entries[id] = Entry(
        owner: owner, machine: HealthMachine(check), generation: generation, interval: check.interval)
      if !order.contains(id) { order.append(id) }
      if running.contains(owner) { await apply(.begun(at: Self.seconds), to: id) }
      if maintained.contains(owner) { await apply(.maintenance(true), to: id) }
    }
    await assign()
  }

  /// The owner's process has been started, or has ended.
  public func owner(_ owner: String, runs: Bool) async {
    guard runs != running.contains(owner) || runs else { return }
    if runs { running.insert(owner) } else { running.remove(owner) }
    generation += 1
    for (id, entry) in entries where entry.owner == owner {
      if runs { entries[id]?.generation = generation }
      await apply(runs ? .begun(at: Self.seconds) : .ended, to: id)
    }
    await assign()
  }

  /// - Throws: when it cannot be remembered; nothing is changed then.
  public func maintenance(_ owners: [String], on: Bool) async throws {
    let next = on ? maintained.union(owners) : maintained.subtracting(owners)
    try FileSystem.replace(maintenanceFile, with: try JSONCoding.encode(next.sorted()), mode: 0o600)
    maintained = next
    for owner in owners {
      for (id, entry) in entries where entry.owner == owner { await apply(.maintenance(on), to: id) }
      events.add(
        kind: "health", name: owner, event: on ? "maintenance begun" : "maintenance ended", cause: nil,
        correlation: nil)
    }
    await assign()
  }

  // MARK: - What is seen

  public func take(_ results: [ProbeResult]) async {
    for result in results {
      guard let entry = entries[result.id], entry.generation == result.generation else { continue }
      entries[result.id]?.last = (result, Clock.wallMicroseconds())
      let arbiter = entry.check.arbiter.flatMap { name in
        entries["\(entry.owner)/\(name)"] ?? entries["\(Self.node)/\(name)"]
      }
      await apply(
        .seen(
          ok: result.ok, at: Self.seconds,
          cutOff: arbiter?.machine.state == .unhealthy || (arbiter?.machine.failures ?? 0) > 0),
        to: result.id)
    }
  }

  /// Looks were left out because those before had not ended. Told once a minute at most.
  public func late(_ count: Int) {
    lateCount += count
    guard Self.seconds - lateTold >= 60 else { return }
    events.add(
      kind: "health", name: Self.node, event: "late", severity: .warning,
      cause:
        "\(lateCount) looks were left out because those before had not ended; shorten timeouts or lengthen intervals",
      correlation: nil)
    lateTold = Self.seconds
    lateCount = 0
  }

  private static var seconds: Double { Double(Clock.monotonicNanoseconds()) / 1e9 }

  private func apply(_ event: HealthMachine.Event, to id: String) async {
    guard var entry = entries[id] else { return }
    let before = entry.machine.state
    let effects = entry.machine.apply(event)
    for effect in effects {
      switch effect {
      case .changed(let state):
        entry.since = Clock.wallMicroseconds()
        if state != .unhealthy { entry.remedy = nil }
        entry.history.append(
          .init(time: Timestamp.now, state: state, output: entry.last?.result.output))
        if entry.history.count > Self.keptChanges { entry.history.removeFirst() }
        tell(entry, before, event)
      case .pace(let interval): entry.interval = interval
      case .act: break
      }
    }
    entries[id] = entry
    if entry.machine.state != before { changed(entry.owner, worst(of: entry.owner)) }
    for case .act(let action) in effects { act(action, id, entry) }
    if effects.contains(where: { if case .pace = $0 { true } else { false } }) { await assign() }
  }

  private func tell(_ entry: Entry, _ before: HealthState, _ event: HealthMachine.Event) {
    let state = entry.machine.state
    // What follows from a start or a stop is told there.
    guard state == .unhealthy || state == .healthy && before != .idle else { return }
    var cause = entry.last?.result.output
    if case .seen(false, _, true) = event { cause = "\(cause ?? ""); but this node itself is cut off" }
    events.add(
      kind: "health", name: entry.owner, event: state.rawValue, severity: state == .unhealthy ? .error : .info,
      cause: "\(entry.check.name): \(cause ?? "")", correlation: nil, data: ["check": entry.check.name])
  }

  /// In a task of its own: a remedy may take its time.
  private func act(_ action: HealthCheck.Action, _ id: String, _ entry: Entry) {
    let cause = "check \(entry.check.name) failed: \(entry.last?.result.output ?? "")"
    let owner = entry.owner
    set(id, remedy: action == .alert ? "an event tells of it" : "\(action.word) is under way")
    guard action != .alert else { return }
    Task { [remedy] in
      let outcome: String
      do {
        outcome = try await remedy(owner, action, cause)
      } catch {
        outcome = "\(action.word) failed: \((error as? RPCError)?.message ?? "\(error)")"
        self.events.add(
          kind: "health", name: owner, event: "remedy failed", severity: .error, cause: outcome, correlation: nil)
      }
      self.set(id, remedy: outcome)
    }
  }

  private func set(_ id: String, remedy: String) {
    if entries[id]?.machine.state == .unhealthy { entries[id]?.remedy = remedy }
  }

  // MARK: - Assignments

  private var active: [ProbeAssignment] {
    order.compactMap { id in
      guard let entry = entries[id], entry.machine.state != .idle, entry.machine.state != .maintenance else {
        return nil
      }
      return ProbeAssignment(id: id, generation: entry.generation, check: entry.check, interval: entry.interval)
    }
  }

  private func assign() async {
    let active = active
    await local?.assign(active.filter { isLocal($0.check.probe) })
    broadcast.send(.init(checks: active.filter { !isLocal($0.check.probe) }))
  }

  /// The monitor's checks now, and again whenever they change.
  public func assignments() -> AsyncStream<HealthMethods.Assignments> {
    broadcast.listen(.init(checks: active.filter { !isLocal($0.check.probe) }))
  }
}
