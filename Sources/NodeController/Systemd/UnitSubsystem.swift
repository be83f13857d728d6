// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import LogStore
import Logging

/// A sub-system that is a unit of the machine's: systemd runs it, and restarts it as the unit says.
actor UnitSubsystem: ManagedSubsystem {
  nonisolated let name: String
  private nonisolated let unit: SystemdUnit
  private var spec: SubsystemSpec
  /// A part of the agent: systemd starts and stops it with the agent's own unit.
  private let belongsToAgent: Bool
  private let events: EventLog
  private let logger: Logger
  private let changed: @Sendable (String, SubsystemState) -> Void
  private let mailbox = Mailbox()
  private var known = SystemdUnit.Properties()
  private(set) var state = SubsystemState.stopped
  private var reason: String?
  private var since = Clock.wallMicroseconds()

  /// - Parameter unit: what systemd calls it.
  init(
    _ spec: SubsystemSpec, unit: String, belongsToAgent: Bool = false, events: EventLog, logger: Logger,
    changed: @escaping @Sendable (String, SubsystemState) -> Void
  ) {
    name = spec.name
    self.spec = spec
    self.unit = SystemdUnit(name: unit)
    self.belongsToAgent = belongsToAgent
    self.events = events
    self.logger = logger
    self.changed = changed
  }

  // MARK: - Looking

  var view: SubsystemView {
    var view = SubsystemView(
      name: name, about: spec.about, state: state, backend: .unit, start: spec.start,
      pid: known.pid > 0 ? known.pid : nil, uid: ProcessStatus.owner(of: known.pid), restarts: known.restarts,
      since: Timestamp.text(microseconds: since), reason: reason,
      status: known.statusText.isEmpty ? nil : known.statusText)
    view.memory = known.memory
    view.cpuMicroseconds = known.cpuNanoseconds.map { $0 / 1000 }
    view.pids = known.tasks
    return view
  }

  var source: MetricSources.Subsystem {
    get async {
      await refresh()
      var usage = CgroupUsage()
      usage.memory = known.memory
      usage.memoryTotal = known.memory
      usage.cpuMicroseconds = known.cpuNanoseconds.map { $0 / 1000 }
      usage.pids = known.tasks
      return MetricSources.Subsystem(
        name: name, state: state, restarts: known.restarts, pid: known.pid > 0 ? known.pid : nil, usage: usage)
    }
  }

  var details: (view: SubsystemView, processes: [Int32]) {
    get async {
      await refresh()
      let list = try? FileSystem.readText("/sys/fs/cgroup\(known.group)/cgroup.procs")
      return (view, known.group.isEmpty ? [] : (list ?? "").split(separator: "\n").compactMap { Int32($0) })
    }
  }

  // Its log is systemd's.
  var isAtRest: Bool { true }
  func waitUntilAtRest() {}

  func isProcess(_ peer: Peer) async -> Bool {
    if known.pid != peer.credentials.pid { await refresh() }
    guard known.pid > 0, known.pid == peer.credentials.pid, let held = try? HeldProcess(opening: known.pid) else {
      return false
    }
    return held.pidfd.isRunning()
  }

  // MARK: - Operations

  func adopt() async -> Bool {
    await refresh()
    return false
  }

  func start(correlation: String?) async throws {
    // It comes by itself, and may be waiting for the agent's own start.
    if belongsToAgent { return await refresh() }
    try await mailbox.perform { try await self.change("StartUnit", .available) }
  }

  func hold(because reason: String, correlation: String?) {
    self.reason = reason
    if state == .stopped || state == .failed { set(.waiting) }
  }

  /// A part of the agent is stopped by systemd itself; only with `SIGINT`, which it ends its containers for, here.
  func stop(signal: Int32?, correlation: String?) async throws {
    guard belongsToAgent else {
      try await mailbox.perform { try await self.change("StopUnit", .stopped) }
      return
    }
    await refresh()
    guard signal == SIGINT, known.pid > 0 else { return }
    let process = try HeldProcess(opening: known.pid)
    try process.signal(SIGINT)
    let ended = try await Blocking.onOwnThread("wait-\(name)") {
      try process.pidfd.waitForEnd(milliseconds: 120_000)
    }
    guard ended else { throw RPCError(.deadlineExceeded, "\(unit.name) has not ended within two minutes") }
  }

  func reload(correlation: String?) async throws {
    guard state == .available else {
      throw RPCError(.wrongState, "\(name) is \(state.rawValue); only one that is available can be reloaded")
    }
    try await mailbox.perform { try await self.change("ReloadUnit", .available) }
  }

  private func change(_ member: String, _ goal: SubsystemState) async throws {
    guard Systemctl.isThere else {
      throw RPCError(.startFailed, "\(unit.name) is a unit of systemd, which does not run on this machine")
    }
    let unit = unit
    do {
      try await Blocking.onOwnThread("systemd-\(name)") { try unit.run(member) }
    } catch {
      await refresh()
      throw RPCError(.startFailed, "\(name): \((error as? RPCError)?.message ?? "\(error)")")
    }
    await refresh()
    let deadline = Clock.monotonicNanoseconds() + UInt64(max(0, spec.readyTimeout)) * 1_000_000
    while state != goal, state != .failed, Clock.monotonicNanoseconds() < deadline {
      try await Task.sleep(for: .milliseconds(50))
      await refresh()
    }
    guard state == goal else {
      throw RPCError(.startFailed, "\(name) is \(state.rawValue)\(reason.map { ": \($0)" } ?? "")")
    }
  }

  /// systemd has told of a change of some unit.
  func unitChanged(_ name: String) async { if name == unit.name { await refresh() } }

  func run(_ command: [String], timeout: Int64) async throws -> String {
    let spec = spec
    return try await Blocking.onOwnThread("run-\(name)") {
      try SubsystemCommand.run(command, of: spec, as: try SubsystemUser(spec), timeout: timeout)
    }
  }

  func update(_ spec: SubsystemSpec) { self.spec = spec }

  // The unit is the machine's and goes on without us.
  func forget() {}

  // MARK: - What happens

  /// Asks systemd for what it is now.
  func refresh() async {
    guard Systemctl.isThere else {
      reason = "\(unit.name) is a unit of systemd, which does not run on this machine"
      return
    }
    let unit = unit
    do {
      let found = try await Blocking.onOwnThread("systemd-\(name)") { try unit.properties() }
      let before = known
      known = found
      if found.load == "not-found" { reason = "there is no unit \(unit.name) on this machine" }
      if found.restarts > before.restarts, !before.active.isEmpty {
        record("restarted", "systemd has started it again")
      }
      if state == .waiting, found.active == "inactive" || found.active == "failed" { return }
      set(Self.state(found))
    } catch {
      logger.error("systemd does not tell of a unit", metadata: ["unit": "\(unit.name)", "error": "\(error)"])
    }
  }

  static func state(_ properties: SystemdUnit.Properties) -> SubsystemState {
    switch (properties.active, properties.sub) {
    case ("active", _), ("refreshing", _): .available
    case ("reloading", _): .reloading
    case ("activating", "auto-restart"): .backoff
    case ("activating", _): .starting
    case ("deactivating", _): .stopping
    case ("failed", _): .failed
    default: .stopped
    }
  }

  private func set(_ next: SubsystemState) {
    guard next != state else { return }
    if next == .failed {
      reason = "its result is \"\(known.result)\", its code \(known.exitCode); journalctl -u \(unit.name) says more"
    } else if next == .available || next == .starting {
      reason = nil
    }
    state = next
    since = Clock.wallMicroseconds()
    record(next.rawValue, reason)
    changed(name, next)
  }

  private func record(_ event: String, _ cause: String?) {
    events.add(
      kind: "subsystem", name: name, event: event,
      severity: event == "failed" ? .error : event == "backoff" || event == "restarted" ? .warning : .info,
      cause: cause, correlation: nil)
  }
}
