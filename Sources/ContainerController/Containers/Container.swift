// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import LogStore
import Logging

/// One container: its life-cycle, one operation at a time.
///
/// Operations go through the mailbox; what happens to the container (it becomes ready, it ends) is put there too. Only
/// looking at it does not wait.
actor Container: LogSource {
  nonisolated let name: String
  let services: ContainerServices
  let mailbox = Mailbox()
  var record: ContainerRecord
  var life: Lifecycle
  var process: ContainerProcess?
  var statusText: String?
  var restart = RestartDecision()
  private var restarting: Task<Void, Never>?
  private var waiting: [UInt64: AsyncStream<Void>.Continuation] = [:]
  private var nextWaiter: UInt64 = 1
  var sample: (time: UInt64, cpu: UInt64)?
  var lastPercent: Double?
  /// Counts the writes of the record.
  private var revision: UInt64 = 0
  var execs: [UInt64: ExecStart] = [:]
  var nextExec: UInt64 = 1
  var looks: [UInt64: CheckedContinuation<LookAnswer, any Error>] = [:]

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
      kind: "container", name: name, event: life.state.rawValue, severity: life.state == .failed ? .error : .info,
      cause: life.reason, correlation: correlation)
    services.changed(name, life.state)
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
    record.renewalDue = nil
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
    if let agent = process.runtime.agent { services.identities.adopt(name, agent: agent) }
    process.connection.start(
      { event, descriptors in self.mailboxPost { await self.received(event, descriptors.first, from: process) } },
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
    case .connected(let id): answered(id, .success(.init(socket: descriptor)))
    case .modified(let id, let time): answered(id, .success(.init(number: time)))
    case .identityTaken(let id): answered(id, .success(.init()))
    case .lookFailed(let id, let errno): answered(id, .failure(RPCError(.unavailable, SyscallError.words(for: errno))))
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

  // MARK: - Restarts

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
