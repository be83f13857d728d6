// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import Logging

/// One container: its life-cycle, one operation at a time.
///
/// Operations go through the mailbox; what happens to the container (it becomes ready, it ends) is put there too. Only
/// looking at it does not wait.
actor Container {
  nonisolated let name: String
  let services: ContainerServices
  let mailbox = Mailbox()
  var record: ContainerRecord
  var life: Lifecycle
  var process: ContainerProcess?
  private var statusText: String?
  var restart = RestartDecision()
  private var restarting: Task<Void, Never>?
  private var waiting: [UInt64: AsyncStream<Void>.Continuation] = [:]
  private var nextWaiter: UInt64 = 1
  private var sample: (time: UInt64, cpu: UInt64)?
  private var lastPercent: Double?
  /// Counts the writes of the record.
  private var revision: UInt64 = 0
  var execs: [UInt64: ExecStart] = [:]
  var nextExec: UInt64 = 1

  init(_ record: ContainerRecord, life: Lifecycle, services: ContainerServices) {
    name = record.spec.name
    self.record = record
    self.life = life
    self.services = services
  }

  // MARK: - Looking

  var state: ContainerState { life.state }
  var spec: ContainerSpec { record.spec }
  var digest: String { record.digest }
  var stateDirectory: String { record.stateDirectory }

  /// True when it does not run and nothing is going to start it.
  var isAtRest: Bool { !life.state.isRunning && restarting == nil }

  func view(withUsage: Bool = false) async -> ContainerView {
    var view = ContainerView(
      name: name, bundle: record.reference, digest: record.digest, state: life.state, created: record.created,
      firstUID: record.firstUID)
    view.reason = life.reason
    view.started = record.started.map { Timestamp.text(microseconds: $0) }
    view.finished = life.state.isRunning ? nil : record.finished.map { Timestamp.text(microseconds: $0) }
    view.exitCode = life.state.isRunning ? nil : record.exitCode
    view.exitSignal = life.state.isRunning ? nil : record.exitSignal
    view.outOfMemory = record.outOfMemory
    view.restarts = record.restarts
    view.memoryLimit = record.resources.memory
    view.statusText = statusText
    view.endpoints = endpoints()
    if let process {
      view.pid = process.runtime.pid
      view.address = process.runtime.address
      view.uptimeMilliseconds = max(0, (Clock.wallMicroseconds() - process.runtime.started) / 1000)
      if withUsage, let usage = await usage() {
        view.memory = usage.memory
        view.cpuPercent = percent(usage)
      }
    }
    return view
  }

  private func endpoints() -> [EndpointView] {
    record.descriptor.endpoints.map { endpoint in
      let published = process?.runtime.publications.first { $0.name == endpoint.name }
      return EndpointView(
        name: endpoint.name, proto: endpoint.proto.rawValue, port: endpoint.port, scope: endpoint.scope.rawValue,
        hostAddress: published == nil ? nil : "127.0.0.1", hostPort: published?.hostPort)
    }
  }

  func details() async -> ContainerDetails {
    ContainerDetails(
      summary: await view(withUsage: true), spec: record.spec, descriptor: record.descriptor,
      cgroups: process?.runtime.cgroups ?? [], directory: services.launcher.runDirectory(name),
      logDirectory: record.stateDirectory)
  }

  func stats() async -> ContainerStats? {
    guard life.state.isRunning, let usage = await usage() else { return nil }
    return ContainerStats(
      name: name, time: Timestamp.now, state: life.state, cpuPercent: percent(usage), usage: Usage(usage))
  }

  private func usage() async -> CgroupUsage? {
    let (cgroups, name) = (services.cgroups, name)
    return try? await Blocking.run { cgroups.usage(of: name) }
  }

  /// Read here and not on another thread: the file never waits, and whoever waits for the end waits for this.
  func oomKills() -> UInt64 { services.cgroups.oomKills(of: name) }

  /// Of one processor since the last look, or since the start; two looks within 200 ms share an answer.
  private func percent(_ usage: CgroupUsage) -> Double? {
    guard let cpu = usage.cpuMicroseconds, let process else { return nil }
    let now = Clock.monotonicNanoseconds()
    guard let last = sample else {
      sample = (now, cpu)
      let ran = Double(max(1, Clock.wallMicroseconds() - process.runtime.started))
      lastPercent = Double(cpu) / ran * 100
      return lastPercent
    }
    guard now - last.time >= 200_000_000 else { return lastPercent }
    sample = (now, cpu)
    lastPercent = Double(cpu &- min(cpu, last.cpu)) * 1000 / Double(now - last.time) * 100
    return lastPercent
  }

  // MARK: - Operations

  func start(correlation: String?) async throws -> ContainerView {
    try await mailbox.perform { try await self.doStart(correlation: correlation, byPolicy: false) }
  }

  /// `untilBoot`: the machine goes down, and whether it is started again after the boot stays as it is.
  func stop(timeout: Int64?, untilBoot: Bool = false, correlation: String?) async throws -> ContainerView {
    try await mailbox.perform {
      let wanted = await self.record.wanted
      let view = try await self.doStop(timeout: timeout, correlation: correlation)
      if untilBoot, wanted { await self.wantAfterBoot() }
      return view
    }
  }

  private func wantAfterBoot() {
    record.wanted = true
    save(durable: true)
  }

  func restart(timeout: Int64?, correlation: String?) async throws -> ContainerView {
    try await mailbox.perform {
      _ = try await self.doStop(timeout: timeout, correlation: correlation)
      return try await self.doStart(correlation: correlation, byPolicy: false)
    }
  }

  func kill(signal: Int32, correlation: String?) async throws -> ContainerView {
    try await mailbox.perform { try await self.doKill(signal, correlation: correlation) }
  }

  func remove(force: Bool, correlation: String?) async throws {
    try await mailbox.perform { try await self.doRemove(force: force, correlation: correlation) }
  }

  /// Returns when it is at rest, or when the caller is cancelled: callers that go away leave nothing behind.
  func waitUntilAtRest() async {
    while !isAtRest && !Task.isCancelled {
      let (rest, end) = AsyncStream.makeStream(of: Void.self)
      let id = nextWaiter
      nextWaiter += 1
      waiting[id] = end
      for await _ in rest {}
      waiting[id] = nil
    }
  }

  func transition(_ event: Lifecycle.Event, correlation: String?) throws {
    do {
      try life.apply(event)
    } catch {
      throw RPCError(
        .wrongState, "container \(name) is \(error.state.rawValue)",
        data: ["state": .string(error.state.rawValue)])
    }
    record.state = life.state
    record.reason = life.reason
    services.events.add(
      kind: "container", name: name, event: life.state.rawValue, cause: life.reason, correlation: correlation)
    if isAtRest { wake() }
  }

  func wake() {
    for waiter in waiting.values { waiter.finish() }
    waiting = [:]
  }

  /// Behind the answer, and not at all when a later change is written before: until then the run's own record says that
  /// the container is meant to run.
  private func saveSoon() {
    let revision = revision
    Task {
      try? await Task.sleep(for: .milliseconds(20))
      if self.revision == revision { save() }
    }
  }

  /// What cannot be written now is written with the next change; the container goes on.
  func save(durable: Bool = false) {
    revision += 1
    do {
      try services.store.write(record, durable: durable)
    } catch {
      services.logger.error(
        "cannot write a container's record", metadata: ["container": "\(name)", "error": "\(error)"])
    }
  }

  private func doStart(correlation: String?, byPolicy: Bool) async throws -> ContainerView {
    if life.state.isRunning { throw RPCError(.wrongState, "container \(name) runs already") }
    if !byPolicy {
      restart.reset()
      restarting?.cancel()
    }
    restarting = nil
    try transition(.startAsked, correlation: correlation)
    record.wanted = true
    record.outOfMemory = false
    statusText = nil
    sample = nil
    do {
      let process = try await services.launcher.launch(name, record)
      record.started = process.runtime.started
      attach(process)
      if record.descriptor.readiness == .started { try transition(.ready, correlation: correlation) }
    } catch {
      let problem = error as? RPCError ?? RPCError(.startFailed, "\(error)")
      record.wanted = false
      record.finished = Clock.wallMicroseconds()
      record.exitCode = nil
      record.exitSignal = nil
      await releaseHost()
      try transition(.startFailed(problem.message), correlation: correlation)
      save()
      throw problem.code == .internalError || problem.code == .kernelRefused
        ? RPCError(.startFailed, problem.message, data: problem.data) : problem
    }
    saveSoon()
    return await view()
  }

  func attach(_ process: ContainerProcess) {
    self.process = process
    process.connection.start(
      { event, descriptor in self.mailboxPost { await self.received(event, descriptor, from: process) } },
      ended: {})
    do {
      try process.whenEnded(services.watcher) { self.mailboxPost { await self.ended(process, correlation: nil) } }
    } catch {
      services.logger.error("cannot watch a container", metadata: ["container": "\(name)", "error": "\(error)"])
    }
  }

  private nonisolated func mailboxPost(_ body: @escaping @Sendable () async -> Void) { mailbox.post(body) }

  private func received(_ event: HarnessEvent, _ descriptor: SharedDescriptor?, from process: ContainerProcess) async {
    guard self.process === process else { return }
    switch event {
    case .ready:
      if life.state == .initializing || life.state == .unavailable {
        try? transition(.ready, correlation: nil)
        save()
      }
    case .statusText(let text): statusText = text
    case .execStarted(let id): execs[id]?.started(descriptor)
    case .execFailed(let id, let stage, let errno):
      execs.removeValue(forKey: id)?.failed(
        RPCError(.startFailed, "\(stage) failed: \(SyscallError.words(for: errno))"))
    case .execExited(let id, let status): execs.removeValue(forKey: id)?.exited(status)
    case .exited(let status): await ended(process, correlation: nil, told: status)
    case .started, .failed, .status: break
    }
  }

  func doStop(timeout: Int64?, correlation: String?) async throws -> ContainerView {
    restarting?.cancel()
    restarting = nil
    record.wanted = false
    guard let process, life.state.isRunning else {
      save()
      if isAtRest { wake() }
      return await view()
    }
    try transition(.stopAsked, correlation: correlation)
    save()
    do {
      try process.connection.send(.signal(record.descriptor.stop.signal, everyone: false))
    } catch {
      // PID 1 forwards what it gets by itself, too.
      try? process.pidfd.signal(record.descriptor.stop.signal)
    }
    services.faults.pass("stop.asked")
    let patience = Int32(clamping: max(0, timeout ?? record.descriptor.stop.timeoutMilliseconds))
    let inTime = try await waitForEnd(process, milliseconds: patience)
    if !inTime { try? process.pidfd.signal(SIGKILL) }
    await ended(process, correlation: correlation, forced: !inTime)
    return await view()
  }

  /// Waits without holding a thread: many containers may be stopping.
  private func waitForEnd(_ process: ContainerProcess, milliseconds: Int32) async throws -> Bool {
    let watcher = services.watcher
    return await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        await withTaskCancellationHandler {
          let (ends, end) = AsyncStream.makeStream(of: Void.self)
          guard process.pidfd.isRunning(),
            let copy = try? process.pidfd.descriptor.duplicate(),
            let watch = try? watcher.watch(copy.raw, { end.finish() })
          else { return true }
          for await _ in ends {}
          watcher.cancel(watch)
          return !process.pidfd.isRunning()
        } onCancel: {
        }
      }
      group.addTask {
        try? await Task.sleep(for: .milliseconds(Int64(milliseconds)))
        return false
      }
      let first = await group.next() ?? false
      group.cancelAll()
      return first
    }
  }

  private func doKill(_ signal: Int32, correlation: String?) async throws -> ContainerView {
    guard let process, life.state.isRunning else {
      throw RPCError(.wrongState, "container \(name) does not run")
    }
    if signal == SIGKILL {
      restarting?.cancel()
      record.wanted = false
      if life.state != .stopping { try transition(.stopAsked, correlation: correlation) }
      save()
      try process.pidfd.signal(SIGKILL)
      await ended(process, correlation: correlation, forced: true)
    } else {
      try process.connection.send(.signal(signal, everyone: false))
    }
    return await view()
  }

  private func doRemove(force: Bool, correlation: String?) async throws {
    if life.state.isRunning {
      guard force else {
        throw RPCError(
          .wrongState, "container \(name) is \(life.state.rawValue); stop it first, or remove it with force",
          data: ["state": .string(life.state.rawValue)])
      }
      _ = try await doStop(timeout: nil, correlation: correlation)
    }
    restarting?.cancel()
    restarting = nil
    record.wanted = false
    if life.state != .destroying { try transition(.removeAsked, correlation: correlation) }
    try services.launcher.forgetRun(name)
    try await services.host.call(HostMethods.remove, .init(name: name))
    services.faults.pass("remove.removed")
    try services.store.remove(name)
    try transition(.removed, correlation: correlation)
    wake()
  }

  // MARK: - The end

  /// The workload has ended: finds out how, takes back what the host gave, and decides what comes next.
  ///
  /// `told` is what PID 1 said as its last word; it is ending then, and is waited for when everybody knows.
  private func ended(
    _ process: ContainerProcess, correlation: String?, forced: Bool = false, told: ExitStatus? = nil
  ) async {
    guard self.process === process else { return }
    process.forget(services.watcher)
    let status = told == nil ? await reap(process) : told
    // Before the cgroup goes: it alone knows.
    let oomKills = oomKills()
    self.process = nil
    for exec in execs.values { exec.exited(.signaled(SIGKILL, coreDumped: false)) }
    execs = [:]
    await finish(
      reaped: status, started: process.runtime.started, oomKills: oomKills, correlation: correlation, forced: forced,
      ending: told == nil ? nil : process)
  }

  /// Waits for PID 1's end; its status, when it is this process's child.
  private func reap(_ process: ContainerProcess) async -> ExitStatus? {
    let status = try? await Blocking.run {
      if process.isChild { return try process.pidfd.reap(wait: true) }
      _ = try process.pidfd.waitForEnd(milliseconds: 30_000)
      return nil
    }
    return status ?? nil
  }

  func finish(
    reaped: ExitStatus?, started: Int64?, oomKills: UInt64, correlation: String?, forced: Bool,
    ending: ContainerProcess? = nil
  ) async {
    let exit = (try? FileSystem.readText("\(record.stateDirectory)/\(ExitRecord.fileName)", limit: 128))
      .flatMap(ExitRecord.init(text:))
      // One that is older than the run is of the run before: this one's PID 1 did not come to write its own.
      .flatMap { record in record.time >= (started ?? record.time) ? record : nil }
    let status = exit?.status ?? reaped
    record.finished = exit?.time ?? Clock.wallMicroseconds()
    record.exitCode = nil
    record.exitSignal = nil
    switch status {
    case .exited(let code): record.exitCode = code
    case .signaled(let signal, _): record.exitSignal = signal
    case nil: break
    }
    let stopping = life.state == .stopping
    // A kill for memory counts as the cause unless the workload came through it and ended well.
    record.outOfMemory = oomKills > 0 && !(stopping && forced) && status != .exited(0)
    let reason = Self.reason(
      status, outOfMemory: record.outOfMemory, stopping: stopping, limit: record.resources.memory)
    let ran = started.map { Double((record.finished ?? $0) - $0) / 1e6 } ?? 0
    let pause =
      stopping || !record.wanted
      ? nil : restart.next(record.restartPolicy, failed: reason != nil, ranSeconds: ran)
    if let pause { scheduleRestart(after: pause) } else { record.wanted = false }
    do {
      try transition(.ended(reason: reason), correlation: correlation)
    } catch {
      services.logger.error("an end in a state without one", metadata: ["container": "\(name)", "error": "\(error)"])
    }
    // Whoever waits knows already; the next operation waits for this one.
    if let ending { _ = await reap(ending) }
    await releaseHost()
    save()
  }

  private static func reason(_ status: ExitStatus?, outOfMemory: Bool, stopping: Bool, limit: UInt64?) -> String? {
    if outOfMemory { return "out of memory" }
    if stopping { return nil }
    switch status {
    case .exited(0): return nil
    case .exited(let code): return "exited with code \(code)"
    case .signaled(let signal, let dumped):
      return "ended by \(SignalNames.name(signal))\(dumped ? " (core dumped)" : "")"
    case nil: return "ended while nobody could see how"
    }
  }

  private func releaseHost() async {
    do {
      try services.launcher.forgetRun(name)
      try await services.host.call(HostMethods.release, .init(name: name))
    } catch {
      services.logger.error(
        "cannot release a container's resources", metadata: ["container": "\(name)", "error": "\(error)"])
    }
  }

  func scheduleRestart(after pause: Int64) {
    restarting = Task { [weak self] in
      try? await Task.sleep(for: .milliseconds(pause))
      guard !Task.isCancelled, let self else { return }
      self.mailbox.post { await self.restartByPolicy() }
    }
  }

  private func restartByPolicy() async {
    // A stop that came first has cancelled it.
    guard restarting != nil, !life.state.isRunning else { return }
    record.restarts += 1
    do {
      _ = try await doStart(correlation: nil, byPolicy: true)
    } catch {
      services.logger.notice("a restart failed", metadata: ["container": "\(name)", "error": "\(error)"])
      record.wanted = true
      if let pause = restart.next(record.restartPolicy, failed: true, ranSeconds: 0) {
        scheduleRestart(after: pause)
      } else {
        record.wanted = false
        wake()
      }
      save()
    }
  }
}
