// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import LogStore
import Logging

/// A command that the node controller keeps running through a keeper: an actor around ``SubsystemMachine``.
actor Subsystem: ManagedSubsystem {
  nonisolated let name: String
  let services: SubsystemServices
  nonisolated let files: SubsystemFiles
  let launcher: KeeperLauncher
  private let mailbox = Mailbox()
  private(set) var spec: SubsystemSpec
  /// What is done when the running process has ended may follow an older unit file than ``spec``.
  var machine: SubsystemMachine
  var run: SubsystemRun?
  var since = Clock.wallMicroseconds()
  var reason: String?
  var statusText: String?
  var lastHeartbeat: UInt64 = 0
  var exitStatus: ExitStatus?
  /// How often the kernel has ended a process of this run at its memory limit.
  var oomKills: UInt64 = 0
  /// Why the agent itself ended the process, where it did.
  var endedBecause: String?
  var stopSignal: Int32?
  /// What the running process was started by; `nil` where that is not known, or none runs.
  var startedBy: SubsystemSpec?
  private var backoff: Task<Void, Never>?
  var timers: [Task<Void, Never>] = []
  private var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
  private var nextWaiter: UInt64 = 0
  var sockets: SubsystemSockets
  private var isSpawning = false
  private var correlation: String?

  init(_ spec: SubsystemSpec, services: SubsystemServices) {
    name = spec.name
    self.spec = spec
    self.services = services
    files = SubsystemFiles(name: spec.name, instance: services.instance, keeper: services.keeper)
    launcher = KeeperLauncher(
      files: files, place: services.place, identity: services.keeper, watcher: services.watcher)
    machine = SubsystemMachine(policy: spec.restart, readiness: spec.readiness)
    sockets = SubsystemSockets(spec.sockets, watcher: services.watcher)
  }

  // MARK: - Looking

  var state: SubsystemState { machine.state }

  var view: SubsystemView {
    var view = SubsystemView(
      name: name, about: spec.about, state: machine.state, backend: services.place.backend, start: spec.start,
      pid: run?.workload?.pid, uid: run?.workload.flatMap { ProcessStatus.owner(of: $0.pid) },
      restarts: machine.restarts, since: Timestamp.text(microseconds: since),
      reason: reason, status: statusText)
    if run != nil {
      let usage = services.place.usage(of: name)
      view.memory = usage.memory
      view.cpuMicroseconds = usage.cpuMicroseconds
      view.pids = usage.pids
    }
    return view
  }

  var source: MetricSources.Subsystem {
    .init(
      name: name, state: machine.state, restarts: machine.restarts, pid: run?.workload?.pid,
      usage: run == nil ? CgroupUsage() : services.place.usage(of: name))
  }

  var details: (view: SubsystemView, processes: [Int32]) {
    let keeper = run?.keeper.pid
    let all = (try? services.place.processes(of: name)) ?? []
    return (view, run == nil ? [] : all.filter { $0 != keeper })
  }

  /// A process may speak before it is known here that it has been started: its caller waits for that.
  func isProcess(_ peer: Peer) async -> Bool {
    while isSpawning, !Task.isCancelled { await nextChange() }
    guard let workload = run?.workload else { return false }
    return workload.pid == peer.credentials.pid && workload.pidfd.isRunning()
  }

  /// True when the process that runs is not what ``spec`` would start now: by another command, or of a program that an
  /// upgrade has replaced (proc(5), `exe`).
  var isOutdated: Bool {
    guard let pid = run?.workload?.pid else { return false }
    guard let startedBy else { return true }
    let program = (try? FileSystem.readLink("/proc/\(pid)/exe")) ?? ""
    return SubsystemChange.needsRestart(startedBy, spec) || program.hasSuffix(" (deleted)")
  }

  var isAtRest: Bool { run == nil && machine.state != .backoff && machine.state != .starting }

  func waitUntilAtRest() async {
    while !isAtRest, !Task.isCancelled { await nextChange() }
  }

  // MARK: - Operations

  func start(correlation: String?) async throws {
    try await mailbox.perform { try await self.doStart(correlation) }
  }

  private func doStart(_ correlation: String?) async throws {
    self.correlation = correlation
    if [.stopped, .failed, .waiting, .backoff].contains(machine.state) {
      await apply(.startAsked)
    }
    while machine.state == .starting { await nextChange() }
    guard machine.state == .available || machine.state == .reloading else {
      throw RPCError(.startFailed, "\(name) is \(machine.state.rawValue): \(reason ?? "no reason known")")
    }
  }

  func hold(because reason: String, correlation: String?) async {
    self.correlation = correlation
    guard [.stopped, .failed, .backoff].contains(machine.state) else { return }
    self.reason = reason
    await apply(.held)
  }

  func stop(signal: Int32?, correlation: String?) async throws {
    // A start that takes its time need not be waited for: it ends with this.
    if machine.state == .starting {
      stopSignal = signal
      await apply(.stopAsked)
    }
    try await mailbox.perform { try await self.doStop(signal, correlation) }
  }

  private func doStop(_ signal: Int32?, _ correlation: String?) async throws {
    self.correlation = correlation
    stopSignal = signal
    if machine.state != .failed { reason = nil }
    await apply(.stopAsked)
    while machine.state == .stopping { await nextChange() }
    reason = nil
    // Somebody who connects starts it again.
    if spec.start == .socket { watchSockets() } else { sockets.close() }
    try files.forgetRun()
  }

  func reload(correlation: String?) async throws {
    try await mailbox.perform { try await self.doReload(correlation) }
  }

  private func doReload(_ correlation: String?) async throws {
    guard machine.state == .available, let process = run else {
      throw RPCError(.wrongState, "\(name) is \(machine.state.rawValue); only one that is available can be reloaded")
    }
    guard let reload = spec.reload else {
      throw RPCError(.wrongState, "\(name) has no way to reload; add reload to its unit file, or restart it")
    }
    self.correlation = correlation
    if let signal = reload.signal { try process.workload?.signal(signal) }
    if let command = reload.command {
      _ = try await self.run(command, timeout: 60_000)
    }
    record("reloaded", nil)
  }

  func run(_ command: [String], timeout: Int64) async throws -> String {
    let spec = spec
    let place = services.place
    return try await Blocking.onOwnThread("run-\(name)") {
      try place.run(command, of: spec, as: try SubsystemUser(spec), timeout: timeout)
    }
  }

  func update(_ spec: SubsystemSpec) {
    self.spec = spec
    machine.policy = spec.restart
    // What runs was started by the older one.
    if run == nil { machine.readiness = spec.readiness }
    if run == nil, spec.sockets != sockets.specs {
      sockets.close()
      sockets = SubsystemSockets(spec.sockets, watcher: services.watcher)
    }
    if run == nil, spec.start == .socket { watchSockets() }
  }

  func forget() {
    sockets.close()
    do {
      try files.forgetRun()
    } catch {
      services.logger.error("cannot clean up", metadata: ["subsystem": "\(name)", "error": "\(error)"])
    }
  }

  // MARK: - What happens

  /// Begins to wait for callers, where it is started by them.
  func watchSockets() {
    guard spec.start == .socket, run == nil, machine.state == .stopped || machine.state == .failed else { return }
    do {
      try sockets.watch { Task { await self.called() } }
    } catch {
      reason = "\(error)"
      services.logger.error("cannot listen", metadata: ["subsystem": "\(name)", "error": "\(error)"])
    }
  }

  /// Callers that wait in the socket of one that cannot be started must not start it again and again.
  private func watchSocketsLater() {
    guard spec.start == .socket else { return }
    let pause = spec.restart.interval
    Task {
      try? await Task.sleep(for: .milliseconds(pause))
      if self.machine.state == .failed { self.watchSockets() }
    }
  }

  private func called() {
    mailbox.post {
      do {
        try await self.doStart(nil)
      } catch {
        self.services.logger.notice("a start failed", metadata: ["subsystem": "\(self.name)", "error": "\(error)"])
      }
    }
  }

  /// Changes the state and does what follows from that.
  func apply(_ event: SubsystemMachine.Event) async {
    let before = machine.state
    let effects = machine.apply(event)
    if machine.state != before {
      since = Clock.wallMicroseconds()
      backoff?.cancel()
      record(machine.state.rawValue, reason)
      // Before what follows from it, which may change the state again.
      wake()
      services.changed(name, machine.state)
      if run == nil { rememberRest() }
      if machine.state == .stopped { watchSockets() }
      if machine.state == .failed { watchSocketsLater() }
    }
    for effect in effects {
      switch effect {
      case .spawn: await spawn()
      case .terminate: terminate()
      case .kill:
        endedBecause = "it was not ready within \(spec.readyTimeout) ms"
        kill()
      case .wait(let milliseconds):
        backoff = Task {
          try? await Task.sleep(for: .milliseconds(milliseconds))
          guard !Task.isCancelled else { return }
          self.mailbox.post { await self.apply(.backoffOver) }
        }
      case .giveUp:
        reason = "\(reason ?? "it ended"); restarted \(spec.restart.burst) times within \(spec.restart.interval) ms"
        record("given up", reason)
      }
    }
  }

  /// What the next node controller would take for a run that ended while nobody was there is known already.
  private func rememberRest() {
    do {
      switch machine.state {
      case .backoff: try files.recordWanted()
      case .failed, .stopped: try files.forgetRecord()
      default: break
      }
    } catch {
      services.logger.error("cannot remember a state", metadata: ["subsystem": "\(name)", "error": "\(error)"])
    }
  }

  func record(_ event: String, _ cause: String?) {
    let severity: AgentEvent.Severity =
      switch event {
      case "failed", "given up", "unhealthy": .error
      case "backoff", "waiting", "leftovers ended", "keeper lost", "stop forced", "renewal command failed": .warning
      default: .info
      }
    services.events.add(
      kind: "subsystem", name: name, event: event, severity: severity, cause: cause, correlation: correlation)
  }

  private func spawn() async {
    reason = nil
    statusText = nil
    exitStatus = nil
    oomKills = 0
    endedBecause = nil
    machine.readiness = spec.readiness
    isSpawning = true
    do {
      // Those of the run before stay open, unless it is to have others now.
      if spec.sockets != sockets.specs {
        sockets.close()
        sockets = SubsystemSockets(spec.sockets, watcher: services.watcher)
      }
      let handed = try sockets.open()
      let spec = spec
      let launcher = launcher
      let token = try await services.identities.request(spec)
      let run: SubsystemRun
      do {
        run = try await Blocking.onOwnThread("start-\(name)") {
          try launcher.start(spec, sockets: handed, identity: token)
        }
      } catch {
        if let token { await services.identities.end(token.agent) }
        throw error
      }
      startedBy = spec
      attach(run)
      isSpawning = false
      wake()
      // Somebody may have stopped it while there was nothing to stop yet.
      if machine.state == .stopping { return terminate() }
      if spec.readiness == .started { await apply(.ready) } else { watchReadiness(run) }
    } catch {
      isSpawning = false
      reason = "\(error)"
      services.logger.error("cannot start a sub-system", metadata: ["subsystem": "\(name)", "error": "\(error)"])
      await apply(.ended(clean: false, at: Self.seconds, ran: 0))
    }
  }

  static var seconds: Double { Double(Clock.monotonicNanoseconds()) / 1e9 }

  // MARK: - Waiting for a change

  private func wake() {
    let all = waiting
    waiting = [:]
    for waiter in all.values { waiter.resume() }
  }

  /// Returns at the next change of state, or when the caller is cancelled.
  private func nextChange() async {
    nextWaiter += 1
    let id = nextWaiter
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled { return continuation.resume() }
        waiting[id] = continuation
      }
    } onCancel: {
      Task { await self.giveUpWaiting(id) }
    }
  }

  private func giveUpWaiting(_ id: UInt64) { waiting.removeValue(forKey: id)?.resume() }
}
