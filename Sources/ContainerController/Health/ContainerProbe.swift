// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import HealthChecks
import JSONRPC
import LinuxKernel
import Synchronization

/// Makes the checks of containers, from inside them.
///
/// Connections are begun by their PID 1; what comes over them is read by the monitor, which has less to lose.
final class ContainerProbe: Sendable {
  private typealias Outcome = (ok: Bool, output: String)

  private let registry: ContainerRegistry
  private let watcher: DescriptorWatcher
  private let monitor: MonitorChannel
  /// The processor time of each container at the last look of a check.
  private let samples = Mutex<[String: (time: UInt64, cpu: UInt64)]>([:])

  init(registry: ContainerRegistry, watcher: DescriptorWatcher, monitor: MonitorChannel) {
    self.registry = registry
    self.watcher = watcher
    self.monitor = monitor
  }

  func look(_ assignment: ProbeAssignment) async -> ProbeResult? {
    let start = Clock.monotonicNanoseconds()
    let check = assignment.check
    let owner = String(assignment.id.prefix { $0 != "/" })
    let outcome: Outcome
    do {
      let container = try await registry.find(owner)
      // A command is ended at its time; a PID 1 that is frozen answers to nothing.
      let patience = check.timeout + (check.probe.kind == "command" ? 1000 : 0)
      let found = try await TimeLimit.within(patience) { [self] in try await look(check, container, assignment.id) }
      outcome = found ?? (false, "no answer within \(check.timeout) ms")
    } catch is MonitorChannel.Away {
      return nil
    } catch {
      outcome = (false, (error as? RPCError)?.message ?? "\(error)")
    }
    return ProbeResult(
      id: assignment.id, generation: assignment.generation, ok: outcome.ok, output: String(outcome.output.prefix(500)),
      milliseconds: Double(Clock.monotonicNanoseconds() - start) / 1e6)
  }

  private func look(_ check: HealthCheck, _ container: Container, _ id: String) async throws -> Outcome {
    switch check.probe {
    case .process:
      let view = await container.view()
      return (view.pid != nil, view.pid.map { "process \($0) runs" } ?? "no process runs")
    case .command(let command): return try await self.command(command, container, check.timeout)
    case .file(let path, let age): return try await file(path, age, container)
    case .resources(let bounds): return try await resources(bounds, container, id)
    case .tcp, .unix, .http, .reach: return try await connection(check, container)
    }
  }

  // MARK: - Connections

  private func connection(_ check: HealthCheck, _ container: Container) async throws -> Outcome {
    guard let address = ContainerAddress(check.probe) else {
      return (false, "this kind of check cannot be made in a container")
    }
    let socket = try await container.connect(address)
    await watcher.untilWritable(socket)
    let error = ListenAddress.connectionError(of: socket.raw)
    guard error == 0 else { return (false, SyscallError.words(for: error)) }
    if case .http = check.probe { return try await monitor.look(check, over: socket) }
    return (true, "\(address.text) accepts connections")
  }

  // MARK: - The rest

  private func command(_ command: [String], _ container: Container, _ timeout: Int64) async throws -> Outcome {
    let request = ContainerMethods.ExecuteRequest(name: container.name, command: command)
    var limited = request
    limited.timeout = timeout
    let result = try await ExecCollector.run(limited, in: container)
    let text = (result.output + result.error).split(separator: "\n").suffix(3).joined(separator: "; ")
    switch (result.code, result.signal) {
    case (0, _): return (true, text.isEmpty ? "it ended with code 0" : text)
    case (let code?, _): return (false, "it ended with code \(code)\(text.isEmpty ? "" : ": \(text)")")
    case (nil, 9): return (false, "it was ended by force; it has \(timeout) ms\(text.isEmpty ? "" : ": \(text)")")
    case (nil, let signal): return (false, "it was ended by signal \(signal ?? 0)")
    }
  }

  private func file(_ path: String, _ maximumAge: Int64, _ container: Container) async throws -> Outcome {
    let changed: Int64
    do {
      changed = try await container.modified(path)
    } catch let error as RPCError {
      return (false, "\(path): \(error.message)")
    }
    let age = Clock.wallMicroseconds() / 1000 - changed
    let words = "\(path) was changed \(age / 1000) s ago"
    return age <= maximumAge ? (true, words) : (false, "\(words), and should be every \(maximumAge / 1000) s")
  }

  private func resources(_ bounds: ResourceBounds, _ container: Container, _ id: String) async throws -> Outcome {
    var judgement = ResourceJudgement()
    let usage = await container.stats()?.usage
    let restarts = await container.view().restarts
    judgement.memory(usage?.memory.map { Double($0) }, bounds.memory)
    judgement.cpu(cpu(usage?.cpuMicroseconds, id), bounds.cpuMilli)
    judgement.restarts(restarts, bounds.restarts)
    return judgement.outcome
  }

  /// Thousandths of a processor since the last look; `nil` at the first.
  private func cpu(_ used: UInt64?, _ id: String) -> Double? {
    guard let used else { return nil }
    let now = Clock.monotonicNanoseconds()
    let before = samples.withLock { samples in
      defer { samples[id] = (now, used) }
      return samples[id]
    }
    guard let before, now > before.time, used >= before.cpu else { return nil }
    return Double(used - before.cpu) * 1e6 / Double(now - before.time)
  }
}
