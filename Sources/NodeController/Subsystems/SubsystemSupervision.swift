// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import Logging

/// What happens to the running process of a sub-system.
///
/// Its events do not go through the mailbox: operations there wait for them.
extension Subsystem {
  func attach(_ run: SubsystemRun) {
    self.run = run
    lastHeartbeat = run.started
    if let agent = run.identity?.agent { services.identities.adopt(name, agent) }
    Task { await self.follow(run) }
    if let watchdog = spec.watchdog { watchHeartbeat(run, milliseconds: watchdog) }
  }

  /// Hears what the keeper tells, in order, until the keeper has ended.
  private func follow(_ run: SubsystemRun) async {
    var connection = run.connection
    while true {
      for await (event, _) in connection.events() { await received(event, from: run) }
      // A keeper waits for nobody: a controller that was too slow is cut off, and comes again.
      guard let next = await reconnect(to: run.keeper) else { break }
      connection = next
    }
    await services.watcher.untilReadable(run.keeper.pidfd.descriptor.raw)
    // Where it could not be watched.
    while run.keeper.pidfd.isRunning() { try? await Task.sleep(for: .milliseconds(200)) }
    await keeperEnded(run)
  }

  private func reconnect(to keeper: HeldProcess) async -> KeeperConnection? {
    for _ in 0..<20 {
      guard keeper.pidfd.isRunning() else { return nil }
      do {
        let connection = try KeeperConnection.connect(files.control, watcher: services.watcher)
        try connection.send(.status)
        return connection
      } catch {
        // Usually because it is just ending.
        try? await Task.sleep(for: .milliseconds(50))
      }
    }
    services.logger.error("a keeper does not answer", metadata: ["subsystem": "\(name)"])
    return nil
  }

  private func received(_ event: KeeperEvent, from run: SubsystemRun) async {
    guard self.run === run else { return }
    switch event {
    case .notice(.ready):
      lastHeartbeat = Clock.monotonicNanoseconds()
      await apply(.ready)
    case .notice(.reloading): await apply(.reloadBegan)
    case .notice(.heartbeat): lastHeartbeat = Clock.monotonicNanoseconds()
    case .notice(.distress): endForHealth(run, because: "it said that it does not work (WATCHDOG=trigger)")
    case .status(let status):
      lastHeartbeat = max(lastHeartbeat, status.heartbeat)
      if status.ready, machine.state == .starting { await apply(.ready) }
    case .notice(.stopping), .failed, .started, .keyring: break
    case .text(let text): statusText = text
    case .exited(let status): await workloadEnded(run, status)
    }
  }

  /// The keeper waits until nobody can write to the log; whoever the workload left behind would keep it waiting.
  private func workloadEnded(_ run: SubsystemRun, _ status: ExitStatus) async {
    guard exitStatus == nil else { return }
    exitStatus = status
    // Before the place can go.
    oomKills = services.place.oomKills(of: name)
    await endLeftovers(sparing: run.keeper.pid)
  }

  private func endLeftovers(sparing keeper: Int32?) async {
    let place = services.place
    let name = name
    do {
      let count = try await Blocking.onOwnThread("sweep-\(name)") { try place.endAll(of: name, sparing: keeper) }
      if count > 0 { record("leftovers ended", "it left \(count) \(count == 1 ? "process" : "processes") behind") }
    } catch {
      services.logger.error(
        "cannot end what a sub-system left", metadata: ["subsystem": "\(name)", "error": "\(error)"])
    }
  }

  private func keeperEnded(_ run: SubsystemRun) async {
    guard self.run === run else { return }
    if exitStatus == nil {
      if let record = files.exit() {
        exitStatus = record.status
      } else {
        // Without its keeper a workload has no log and nobody to tell of its end.
        record("keeper lost", "its keeper was ended by somebody")
        endedBecause = endedBecause ?? "its keeper was ended by somebody"
      }
      await endLeftovers(sparing: nil)
    }
    let place = services.place
    let name = name
    let keeper = run.keeper
    do {
      try await Blocking.onOwnThread("end-\(name)") {
        if keeper.isChild { try WaitedChildren.reap(keeper.pidfd) }
        // What the keeper did not live to reap.
        try WaitedChildren.reapOrphans()
        try place.remove(name)
      }
    } catch {
      services.logger.error("cannot clean up", metadata: ["subsystem": "\(name)", "error": "\(error)"])
    }
    guard self.run === run else { return }
    self.run = nil
    if let agent = run.identity?.agent { Task { [services] in await services.identities.end(agent) } }
    for timer in timers { timer.cancel() }
    timers = []
    let clean = isClean(exitStatus)
    reason = explain(exitStatus)
    let ran = Double(Clock.monotonicNanoseconds() - run.started) / 1e9
    services.logger.info(
      "ended", metadata: ["subsystem": "\(name)", "reason": "\(reason ?? "")", "after": "\(ran) s"])
    await apply(.ended(clean: clean, at: Self.seconds, ran: ran))
  }

  private func isClean(_ status: ExitStatus?) -> Bool {
    guard endedBecause == nil else { return false }
    switch status {
    case .exited(0): return true
    case .signaled(let signal, _): return machine.state == .stopping || signal == SIGTERM
    case .exited, nil: return false
    }
  }

  private func explain(_ status: ExitStatus?) -> String {
    let end =
      switch status {
      case .exited(let code): "it exited with code \(code)"
      case .signaled(SIGKILL, _) where oomKills > 0: "it was ended because its memory limit was reached"
      case .signaled(let signal, _): "signal \(signal) ended it"
      case nil: "it ended"
      }
    return endedBecause.map { "\($0); \(end)" } ?? end
  }

  // MARK: - Ending it

  func terminate() {
    guard let run else { return }
    do {
      try run.workload?.signal(stopSignal ?? spec.stopSignal)
    } catch {
      services.logger.error("cannot signal a sub-system", metadata: ["subsystem": "\(name)", "error": "\(error)"])
    }
    let timeout = spec.stopTimeout
    timers.append(
      Task {
        try? await Task.sleep(for: .milliseconds(timeout))
        guard !Task.isCancelled, self.run === run else { return }
        self.record("stop forced", "it did not end within \(timeout) ms")
        self.kill()
      })
  }

  /// By force: the process, and what it has started.
  func kill() {
    guard let run else { return }
    do {
      try run.workload?.signal(SIGKILL)
    } catch {
      services.logger.error("cannot end a sub-system", metadata: ["subsystem": "\(name)", "error": "\(error)"])
    }
  }

  /// Ends a process that does not do its work; its restart policy decides what comes then.
  func endForHealth(_ run: SubsystemRun, because cause: String) {
    guard self.run === run, machine.state != .stopping, endedBecause == nil else { return }
    endedBecause = cause
    record("unhealthy", cause)
    kill()
  }

  // MARK: - Timers

  func watchReadiness(_ run: SubsystemRun) {
    let timeout = spec.readyTimeout
    timers.append(
      Task {
        try? await Task.sleep(for: .milliseconds(timeout))
        guard !Task.isCancelled, self.run === run, self.machine.state == .starting else { return }
        await self.apply(.readyTimedOut)
      })
  }

  private func watchHeartbeat(_ run: SubsystemRun, milliseconds: Int64) {
    timers.append(
      Task {
        while !Task.isCancelled, self.run === run {
          let now = Clock.monotonicNanoseconds()
          let due = self.lastHeartbeat + UInt64(milliseconds) * 1_000_000
          if now >= due {
            // Before it is ready its start has a limit of its own.
            if self.machine.state == .starting { self.lastHeartbeat = now; continue }
            return self.endForHealth(run, because: "no sign of life (WATCHDOG=1) for \(milliseconds) ms")
          }
          try? await Task.sleep(for: .nanoseconds(Int64(due - now)))
        }
      })
  }
}
