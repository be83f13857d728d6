// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import HealthChecks
import JSONRPC
import LinuxKernel
import Synchronization

/// Looks at what needs to be looked at by root: processes, what they use, files, and commands as their users.
///
/// It reads what the kernel says, and of a command only its exit code; what that wrote is kept as it is.
final class LocalProbe: Sendable {
  private let subsystems: SubsystemRegistry
  /// The processor time of each owner at the last look.
  private let samples = Mutex<[String: (time: UInt64, cpu: UInt64)]>([:])

  init(subsystems: SubsystemRegistry) { self.subsystems = subsystems }

  func look(_ assignment: ProbeAssignment) async -> ProbeResult {
    let start = Clock.monotonicNanoseconds()
    let owner = String(assignment.id.prefix { $0 != "/" })
    let outcome: (ok: Bool, output: String)
    do {
      outcome = try await look(assignment.check, owner, id: assignment.id)
    } catch {
      outcome = (false, (error as? RPCError)?.message ?? "\(error)")
    }
    return ProbeResult(
      id: assignment.id, generation: assignment.generation, ok: outcome.ok, output: String(outcome.output.prefix(500)),
      milliseconds: Double(Clock.monotonicNanoseconds() - start) / 1e6)
  }

  private func look(_ check: HealthCheck, _ owner: String, id: String) async throws -> (Bool, String) {
    switch check.probe {
    case .process:
      let view = try await subsystems.find(owner).view
      return (view.pid != nil, view.pid.map { "process \($0) runs" } ?? "no process runs; it is \(view.state.rawValue)")
    case .file(let path, let age): return try await Blocking.run { try Self.file(path, age) }
    case .resources(let bounds): return try await resources(bounds, owner, id)
    case .command(let command): return try await self.command(command, owner, check.timeout)
    case .tcp, .unix, .http, .reach: return (false, "this kind of check is the monitor's")
    }
  }

  private static func file(_ path: String, _ maximumAge: Int64) throws -> (Bool, String) {
    var info = stat()
    guard stat(path, &info) == 0 else { return (false, "\(path): \(SyscallError.words(for: errno))") }
    let changed = Int64(info.st_mtim.tv_sec) * 1000 + Int64(info.st_mtim.tv_nsec) / 1_000_000
    let age = Clock.wallMicroseconds() / 1000 - changed
    let words = "\(path) was changed \(age / 1000) s ago"
    return age <= maximumAge ? (true, words) : (false, "\(words), and should be every \(maximumAge / 1000) s")
  }

  private func command(_ command: [String], _ owner: String, _ timeout: Int64) async throws -> (Bool, String) {
    do {
      let output = try await subsystems.run(command, beside: owner, timeout: timeout)
      return (true, output.isEmpty ? "it ended with code 0" : output)
    } catch let error as RPCError {
      return (false, error.message)
    }
  }

  private func resources(_ bounds: ResourceBounds, _ owner: String, _ id: String) async throws -> (Bool, String) {
    let details = try await subsystems.find(owner).details
    let view = details.view
    var judgement = ResourceJudgement()
    judgement.memory(view.memory.map { Double($0) }, bounds.memory)
    judgement.cpu(cpu(view, id), bounds.cpuMilli)
    if let files = bounds.files {
      judgement.files(try await Blocking.run { Self.files(of: details.processes) }, files)
    }
    judgement.restarts(view.restarts, bounds.restarts)
    return judgement.outcome
  }

  /// Thousandths of a processor since the last look; `nil` at the first.
  private func cpu(_ view: SubsystemView, _ id: String) -> Double? {
    guard let used = view.cpuMicroseconds else { return nil }
    let now = Clock.monotonicNanoseconds()
    let before = samples.withLock { samples in
      defer { samples[id] = (now, used) }
      return samples[id]
    }
    guard let before, now > before.time, used >= before.cpu else { return nil }
    return Double(used - before.cpu) * 1e6 / Double(now - before.time)
  }

  private static func files(of processes: [Int32]) -> Int {
    // A process that ends meanwhile has none.
    processes.reduce(0) { $0 + ((try? FileSystem.names(in: "/proc/\($1)/fd").count) ?? 0) }
  }
}
