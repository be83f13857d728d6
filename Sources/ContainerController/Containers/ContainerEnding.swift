// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import Logging

/// What happens when a run has ended.
extension Container {
  /// The workload has ended: finds out how, takes back what the host gave, and decides what comes next.
  ///
  /// `told` is what PID 1 said as its last word; it is ending then, and is waited for when everybody knows.
  func ended(
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
    abandonLooks()
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

  func releaseHost() async {
    await services.identities.end(name)
    do {
      try services.launcher.forgetRun(name)
      try await services.host.call(HostMethods.release, .init(name: name))
    } catch {
      services.logger.error(
        "cannot release a container's resources", metadata: ["container": "\(name)", "error": "\(error)"])
    }
  }
}
