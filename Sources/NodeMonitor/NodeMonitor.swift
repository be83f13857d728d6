// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging
import NIOPosix
import Probing
import Synchronization

/// The part of the agent that looks at services over the network: without any privilege, because what it reads comes
/// from them. It does as the node controller tells it and keeps nothing.
public final class NodeMonitor: Sendable {
  private let instance: Instance
  private let manager: ServiceManager
  private let logger: Logger
  private let waiting = Mutex<[ProbeResult]>([])
  /// Tells that there are results.
  private let coming: AsyncStream<Void>
  private let come: AsyncStream<Void>.Continuation

  /// Results that have piled up while the node controller is away are worth nothing later.
  private static let mostWaiting = 10_000

  public init(instance: Instance, manager: ServiceManager, logger: Logger) {
    self.instance = instance
    self.manager = manager
    self.logger = logger
    (coming, come) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// Serves until it is told to end.
  public func run(until end: AsyncStream<Void>) async throws {
    let probe = NetworkProbe(group: MultiThreadedEventLoopGroup.singleton)
    let scheduler = ProbeScheduler(probe: { await probe.look($0) }, report: { [self] in add($0) })
    let assigning = Task { await self.takeAssignments(scheduler) }
    let reporting = Task { await self.sendReports(scheduler) }
    let watchdog = Task { [manager, logger] in await Watchdog.run(manager, logger: logger) {} }
    try manager.ready(status: "waiting for checks")
    for await _ in end { break }
    try manager.stopping()
    for task in [assigning, reporting, watchdog] { task.cancel() }
    await scheduler.stop()
  }

  private func add(_ result: ProbeResult) {
    waiting.withLock { if $0.count < Self.mostWaiting { $0.append(result) } }
    come.yield()
  }

  /// Hears what is to be checked; comes again when the node controller has gone.
  private func takeAssignments(_ scheduler: ProbeScheduler) async {
    while !Task.isCancelled {
      let (assignments, assign) = AsyncStream.makeStream(
        of: [ProbeAssignment].self, bufferingPolicy: .bufferingNewest(1))
      let path = instance.monitorSocket
      let logger = logger
      do {
        try NamedThread.start("assignments") {
          do {
            let client = try RPCClient(path: path)
            _ = try client.subscribe(HealthMethods.assignments, Empty())
            while case .event(let event)? = try client.next(HealthMethods.Assignments.self) {
              assign.yield(event.checks)
            }
          } catch {
            logger.debug("the node controller is away", metadata: ["error": "\(error)"])
          }
          assign.finish()
        }
      } catch {
        assign.finish()
      }
      for await checks in assignments {
        await scheduler.assign(checks)
        // Only for people: that they are not told is no failure.
        try? manager.status("\(checks.count) checks")
      }
      try? await Task.sleep(for: .milliseconds(500))
    }
  }

  /// Sends what has been seen, many results at a time.
  private func sendReports(_ scheduler: ProbeScheduler) async {
    var told = 0
    for await _ in coming {
      // Those of the next moment go with it.
      try? await Task.sleep(for: .milliseconds(100))
      let results = waiting.withLock { results in
        defer { results = [] }
        return results
      }
      guard !results.isEmpty else { continue }
      let missed = await scheduler.missed
      let report = HealthMethods.Report(results: results, missed: missed - told)
      let path = instance.monitorSocket
      do {
        try await Blocking.run {
          _ = try RPCClient(path: path).call(HealthMethods.report, report, deadline: 10_000)
        }
        told = missed
      } catch {
        logger.debug("results could not be told", metadata: ["error": "\(error)"])
      }
    }
  }
}
