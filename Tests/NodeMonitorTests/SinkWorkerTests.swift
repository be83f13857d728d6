// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Synchronization
import Testing

@testable import NodeMonitor

@Suite struct SinkWorkerTests {
  /// A stream of events with a bound, and a sink that can be away.
  private final class Fake: EventDelivery {
    struct State {
      var stream: [AgentEvent] = []
      var taken: [AgentEvent] = []
      var isAway = false
      var states: [EventSinkState] = []
      var attempts = 0
    }
    let mostEvents = 10
    let state = Mutex(State())

    func add(_ range: ClosedRange<Int>, severity: AgentEvent.Severity = .info) {
      state.withLock { state in
        for number in range {
          state.stream.append(
            AgentEvent(
              sequence: UInt64(number), time: "2026-05-01T09:30:00Z", kind: "node", name: "n", event: "e\(number)",
              severity: severity, source: "test", cause: nil, correlation: nil))
        }
      }
    }

    func forget(before sequence: UInt64) { state.withLock { $0.stream.removeAll { $0.sequence < sequence } } }

    func fetch(_ after: UInt64) -> EventSinkMethods.Fetched {
      state.withLock { state in
        .init(
          events: Array(state.stream.filter { $0.sequence > after }.prefix(25)),
          earliest: state.stream.first?.sequence ?? after + 1)
      }
    }

    func deliver(_ events: [AgentEvent]) async throws {
      try state.withLock { state in
        state.attempts += 1
        if state.isAway { throw DeliveryFailure("away") }
        state.taken += events
      }
    }
  }

  private static func worker(_ fake: Fake, _ spec: EventSinkSpec, position: UInt64 = 0) -> SinkWorker {
    SinkWorker(
      spec, position: position, delivery: fake, fetch: { fake.fetch($0) },
      report: { state in fake.state.withLock { $0.states.append(state) } })
  }

  private static let spec = EventSinkSpec(name: "s", target: .journald)

  private static func eventually(_ what: String, _ condition: @Sendable () -> Bool) async throws {
    for _ in 0..<1500 {
      if condition() { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("\(what) did not come about")
  }

  @Test func `events come once each, in their order, those that are not wanted left out`() async throws {
    let fake = Fake()
    fake.add(1...40)
    fake.add(41...60, severity: .error)
    var spec = Self.spec
    spec.severity = .warning
    let worker = Self.worker(fake, spec, position: 3)
    let task = Task { await worker.run() }
    try await Self.eventually("all are there") { fake.state.withLock { $0.taken.count == 20 } }
    fake.add(61...70, severity: .warning)
    worker.nudge()
    try await Self.eventually("the new ones, too") { fake.state.withLock { $0.taken.count == 30 } }
    #expect(fake.state.withLock { $0.taken.map(\.sequence) } == Array(41...70))
    try await Self.eventually("it has told so") { fake.state.withLock { $0.states.last?.position == 70 } }
    #expect(fake.state.withLock { $0.states.last?.delivered } == 30)
    task.cancel()
    await task.value
  }

  @Test func `a sink that was away gets what it missed`() async throws {
    let fake = Fake()
    fake.state.withLock { $0.isAway = true }
    fake.add(1...5)
    let worker = Self.worker(fake, Self.spec)
    let task = Task { await worker.run() }
    try await Self.eventually("it is told to fail") { fake.state.withLock { $0.states.last?.failure == "away" } }
    fake.add(6...12)
    #expect(fake.state.withLock { $0.taken.isEmpty })
    fake.state.withLock { $0.isAway = false }
    try await Self.eventually("all are there") { fake.state.withLock { $0.taken.count == 12 } }
    #expect(fake.state.withLock { $0.taken.map(\.sequence) } == Array(1...12))
    try await Self.eventually("it is told to work") {
      fake.state.withLock { $0.states.last?.failure == nil && $0.states.last?.dropped == 0 }
    }
    task.cancel()
    await task.value
  }

  @Test func `what went out of the bound meanwhile is told as a number, to the sink and to the agent`() async throws {
    let fake = Fake()
    fake.add(1...100)
    fake.forget(before: 61)
    let worker = Self.worker(fake, Self.spec, position: 10)
    let task = Task { await worker.run() }
    try await Self.eventually("all are there") { fake.state.withLock { $0.taken.count == 41 } }
    let taken = fake.state.withLock { $0.taken }
    #expect(taken.first?.event == "lost")
    #expect(taken.first?.cause?.hasPrefix("50 events") ?? false)
    #expect(taken.dropFirst().map(\.sequence) == Array(61...100))
    #expect(fake.state.withLock { $0.states.last?.dropped } == 50)
    task.cancel()
    await task.value
  }

  @Test func `its own failures are not sent to it`() async throws {
    let fake = Fake()
    for (number, name) in ["s", "other"].enumerated() {
      let event = AgentEvent(
        sequence: UInt64(number + 1), time: "2026-05-01T09:30:00Z", kind: "events", name: name, event: "sink failing",
        source: "test", cause: nil, correlation: nil)
      fake.state.withLock { $0.stream.append(event) }
    }
    let worker = Self.worker(fake, Self.spec)
    let task = Task { await worker.run() }
    try await Self.eventually("one is there") { fake.state.withLock { $0.states.last?.position == 2 } }
    #expect(fake.state.withLock { $0.taken.map(\.name) } == ["other"])
    task.cancel()
    await task.value
  }
}
