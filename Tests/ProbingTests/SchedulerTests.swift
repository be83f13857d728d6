// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import Synchronization
import Testing

@testable import Probing

@Suite struct SchedulerTests {
  @Test func `the earliest is always first`() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<100 {
      var queue = DueQueue()
      var model: [UInt64] = []
      for _ in 0..<200 {
        if Bool.random(using: &random) || model.isEmpty {
          let due = UInt64.random(in: 0...50, using: &random)
          queue.insert(due, "x")
          model.append(due)
          model.sort()
        } else {
          #expect(queue.first?.due == model.removeFirst())
          queue.removeFirst()
        }
        #expect(queue.first?.due == model.first)
      }
    }
  }

  private static func assignment(_ id: String, interval: Int64) -> ProbeAssignment {
    var check = HealthCheck(name: id, probe: .process)
    check.jitter = 0
    return ProbeAssignment(id: id, generation: 1, check: check, interval: interval)
  }

  private static func result(_ assignment: ProbeAssignment) -> ProbeResult {
    ProbeResult(id: assignment.id, generation: assignment.generation, ok: true, output: "", milliseconds: 0)
  }

  @Test func `one that hangs holds nobody up, and is not begun twice`() async throws {
    let counts = Mutex<[String: Int]>([:])
    let scheduler = ProbeScheduler(
      probe: { assignment in
        counts.withLock { $0[assignment.id, default: 0] += 1 }
        if assignment.id == "slow" { try? await Task.sleep(for: .seconds(100)) }
        return Self.result(assignment)
      }, report: { _ in })
    await scheduler.assign(
      [Self.assignment("slow", interval: 20)] + (0..<50).map { Self.assignment("\($0)", interval: 20) })
    for _ in 0..<500 {
      if counts.withLock({ $0.values.filter { $0 >= 5 }.count }) == 50 { break }
      try await Task.sleep(for: .milliseconds(20))
    }
    let seen = counts.withLock { $0 }
    #expect(seen["slow"] == 1)
    #expect(seen.filter { $0.key != "slow" }.allSatisfy { $0.value >= 5 })
    #expect(await scheduler.missed > 0)
    await scheduler.stop()
  }

  @Test func `what is not assigned any more is not begun any more`() async throws {
    let counts = Mutex<[String: Int]>([:])
    let scheduler = ProbeScheduler(
      probe: { assignment in
        counts.withLock { $0[assignment.id, default: 0] += 1 }
        return Self.result(assignment)
      }, report: { _ in })
    await scheduler.assign([Self.assignment("a", interval: 10), Self.assignment("b", interval: 10)])
    for _ in 0..<500 where counts.withLock({ $0.count }) < 2 { try await Task.sleep(for: .milliseconds(10)) }
    await scheduler.assign([Self.assignment("b", interval: 10)])
    try await Task.sleep(for: .milliseconds(50))
    let (a, b) = counts.withLock { ($0["a"] ?? 0, $0["b"] ?? 0) }
    for _ in 0..<500 where counts.withLock({ $0["b"] ?? 0 }) < b + 3 { try await Task.sleep(for: .milliseconds(10)) }
    #expect(counts.withLock { $0["a"] } == a)
    await scheduler.stop()
  }
}
