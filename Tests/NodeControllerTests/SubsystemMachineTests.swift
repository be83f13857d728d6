// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Testing

@testable import NodeController

@Suite struct SubsystemMachineTests {
  private static func machine(
    _ condition: SubsystemSpec.Restart.Condition = .always, burst: Int = 0,
    readiness: SubsystemSpec.Readiness = .started
  ) -> SubsystemMachine {
    SubsystemMachine(policy: .init(condition: condition, burst: burst), readiness: readiness)
  }

  private static func end(clean: Bool = false, at: Double = 0, ran: Double = 0) -> SubsystemMachine.Event {
    .ended(clean: clean, at: at, ran: ran)
  }

  @Test func `a start, its readiness and a stop`() {
    var machine = Self.machine()
    #expect(machine.apply(.startAsked) == [.spawn])
    #expect(machine.apply(.ready) == [])
    #expect(machine.state == .available)
    #expect(machine.apply(.stopAsked) == [.terminate])
    #expect(machine.apply(Self.end()) == [])
    #expect(machine.state == .stopped)
  }

  @Test func `the pause grows with failures in a row and is bounded`() {
    var machine = Self.machine()
    _ = machine.apply(.startAsked)
    var pauses: [Int64] = []
    for _ in 0..<12 {
      guard case .wait(let pause)? = machine.apply(Self.end(ran: 0.1)).first else { return }
      pauses.append(pause)
      #expect(machine.apply(.backoffOver) == [.spawn])
    }
    #expect(pauses == [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000])
    #expect(machine.restarts == 12)
  }

  @Test func `after a good run it starts again soon`() {
    var machine = Self.machine()
    _ = machine.apply(.startAsked)
    _ = machine.apply(Self.end(ran: 1))
    _ = machine.apply(.backoffOver)
    _ = machine.apply(.ready)
    #expect(machine.apply(Self.end(ran: 60)) == [.wait(milliseconds: 100)])
  }

  @Test(arguments: [
    (SubsystemSpec.Restart.Condition.always, true, SubsystemState.backoff), (.always, false, .backoff),
    (.onFailure, true, .stopped), (.onFailure, false, .backoff), (.never, true, .stopped), (.never, false, .failed),
  ])
  func `its policy decides what comes after an end`(
    condition: SubsystemSpec.Restart.Condition, clean: Bool, state: SubsystemState
  ) {
    var machine = Self.machine(condition)
    _ = machine.apply(.startAsked)
    _ = machine.apply(.ready)
    _ = machine.apply(Self.end(clean: clean))
    #expect(machine.state == state)
  }

  @Test func `too many restarts within the interval and it is given up`() {
    var machine = Self.machine(burst: 3)
    _ = machine.apply(.startAsked)
    for second in 0..<3 {
      #expect(machine.apply(Self.end(at: Double(second))).count == 1)
      _ = machine.apply(.backoffOver)
    }
    #expect(machine.apply(Self.end(at: 4)) == [.giveUp])
    #expect(machine.state == .failed)
    #expect(machine.apply(.startAsked) == [.spawn])
    // What is long ago does not count.
    for minute in 1..<10 {
      #expect(machine.apply(Self.end(at: Double(minute) * 61)) != [.giveUp])
      _ = machine.apply(.backoffOver)
    }
  }

  @Test func `one that ends before it is ready has failed, however it ended`() {
    var machine = Self.machine(.onFailure, readiness: .notify)
    _ = machine.apply(.startAsked)
    _ = machine.apply(Self.end(clean: true))
    #expect(machine.state == .backoff)
  }

  @Test func `a task is available once it has ended well`() {
    var machine = Self.machine(.onFailure, readiness: .exited)
    _ = machine.apply(.startAsked)
    #expect(machine.apply(Self.end(clean: true)) == [])
    #expect(machine.state == .available)
    #expect(machine.apply(.stopAsked) == [])
    #expect(machine.state == .stopped)
    _ = machine.apply(.startAsked)
    #expect(machine.apply(Self.end(clean: false)) == [.wait(milliseconds: 100)])
  }

  @Test func `one that does not become ready is ended`() {
    var machine = Self.machine(readiness: .notify)
    _ = machine.apply(.startAsked)
    #expect(machine.apply(.readyTimedOut) == [.kill])
    #expect(machine.apply(.ready) == [])
    #expect(machine.apply(.readyTimedOut) == [])
  }

  @Test func `a stop during the pause wins`() {
    var machine = Self.machine()
    _ = machine.apply(.startAsked)
    _ = machine.apply(Self.end())
    #expect(machine.apply(.stopAsked) == [])
    #expect(machine.state == .stopped)
    #expect(machine.apply(.backoffOver) == [])
  }

  /// Every event in every state: nothing is spawned where something runs, and nothing ends what does not run.
  @Test func `every pair of state and event keeps the promises`() {
    let events: [SubsystemMachine.Event] = [
      .startAsked, .held, .ready, .reloadBegan, .readyTimedOut, Self.end(clean: true), Self.end(clean: false),
      .backoffOver, .stopAsked,
    ]
    var open = [Self.machine()]
    var seen: [SubsystemState: SubsystemMachine] = [.stopped: open[0]]
    while let machine = open.popLast() {
      for event in events {
        var next = machine
        let effects = next.apply(event)
        #expect(!effects.contains(.spawn) || !machine.state.isRunning, "\(machine.state) \(event)")
        #expect(!effects.contains(.terminate) || machine.state.isRunning, "\(machine.state) \(event)")
        #expect(effects.contains(.spawn) == (next.state == .starting && machine.state != .starting))
        if seen[next.state] == nil {
          seen[next.state] = next
          open.append(next)
        }
      }
    }
    #expect(Set(seen.keys) == Set(SubsystemState.allCases).subtracting([.failed]))
  }
}
