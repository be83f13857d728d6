// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Testing

@testable import HealthChecks

@Suite struct HealthMachineTests {
  private static func check(_ change: (inout HealthCheck) -> Void = { _ in }) -> HealthCheck {
    var check = HealthCheck(name: "c", probe: .process)
    change(&check)
    return check
  }

  private static func seen(_ ok: Bool, at: Double, cutOff: Bool = false) -> HealthMachine.Event {
    .seen(ok: ok, at: at, cutOff: cutOff)
  }

  @Test func `it needs its thresholds to rise and to fall`() {
    var machine = HealthMachine(
      Self.check {
        $0.rise = 2
        $0.fall = 3
      })
    #expect(machine.apply(.begun(at: 0)) == [.changed(.pending)])
    #expect(machine.apply(Self.seen(true, at: 1)) == [])
    #expect(machine.apply(Self.seen(true, at: 2)) == [.changed(.healthy)])
    for second in 3...4 { #expect(machine.apply(Self.seen(false, at: Double(second))) == []) }
    #expect(machine.apply(Self.seen(true, at: 5)) == [])
    for second in 6...7 { #expect(machine.apply(Self.seen(false, at: Double(second))) == []) }
    #expect(machine.apply(Self.seen(false, at: 8)) == [.changed(.unhealthy), .act(.alert)])
    #expect(machine.apply(Self.seen(false, at: 9)) == [])
  }

  @Test func `failures in the grace after a start do not count`() {
    var machine = HealthMachine(
      Self.check {
        $0.grace = 5000
        $0.fall = 1
      })
    _ = machine.apply(.begun(at: 10))
    for second in 11...14 { #expect(machine.apply(Self.seen(false, at: Double(second))) == []) }
    #expect(machine.apply(Self.seen(false, at: 15)).first == .changed(.unhealthy))
    // Once it has been healthy the grace is over.
    _ = machine.apply(.begun(at: 20))
    _ = machine.apply(Self.seen(true, at: 21))
    #expect(machine.apply(Self.seen(false, at: 22)).first == .changed(.unhealthy))
  }

  @Test func `what starts slowly is given more time after each restart in vain`() {
    var machine = HealthMachine(
      Self.check {
        $0.interval = 1000
        $0.fall = 2
        $0.actions = [.restart]
      })
    // It answers 7 s after a start, and is looked at each second.
    var restarts = 0
    var now = 0.0
    starts: while restarts < 10 {
      _ = machine.apply(.begun(at: now))
      for second in 1...30 {
        let effects = machine.apply(Self.seen(second >= 7, at: now + Double(second)))
        if effects.contains(.changed(.healthy)) { break starts }
        if effects.contains(.act(.restart)) {
          restarts += 1
          now += Double(second)
          _ = machine.apply(.ended)
          continue starts
        }
      }
    }
    #expect(machine.state == .healthy)
    #expect(restarts == 2)
    // Having been healthy, it is given no more than at first.
    _ = machine.apply(.begun(at: 1000))
    #expect(machine.apply(Self.seen(false, at: 1001)) == [])
    #expect(machine.apply(Self.seen(false, at: 1002)) == [.changed(.unhealthy), .act(.restart)])
  }

  @Test func `actions escalate with each fall, and begin anew once it was healthy for long`() {
    var machine = HealthMachine(
      Self.check {
        $0.fall = 1
        $0.actions = [.restart, .restart, .stop]
        $0.forgive = 100_000
      })
    var time = 0.0
    func fall() -> HealthMachine.Effect? {
      time += 1
      _ = machine.apply(.begun(at: time))
      _ = machine.apply(Self.seen(true, at: time))
      return machine.apply(Self.seen(false, at: time + 0.5)).last
    }
    #expect((0..<4).map { _ in fall() } == [.act(.restart), .act(.restart), .act(.stop), .act(.stop)])
    _ = machine.apply(.begun(at: 50))
    _ = machine.apply(Self.seen(true, at: 50))
    _ = machine.apply(Self.seen(true, at: 151))
    #expect(machine.apply(Self.seen(false, at: 152)).last == .act(.restart))
  }

  @Test func `a node that is cut off blames nobody`() {
    var machine = HealthMachine(
      Self.check {
        $0.fall = 1
        $0.actions = [.restart]
      })
    _ = machine.apply(.begun(at: 0))
    #expect(machine.apply(Self.seen(false, at: 1, cutOff: true)) == [.changed(.unhealthy)])
    _ = machine.apply(Self.seen(true, at: 2))
    #expect(machine.apply(Self.seen(false, at: 3)) == [.changed(.unhealthy), .act(.restart)])
  }

  @Test func `it is looked at less often while it stays unhealthy`() {
    var machine = HealthMachine(
      Self.check {
        $0.fall = 1
        $0.interval = 1000
        $0.backoff = 5000
      })
    _ = machine.apply(.begun(at: 0))
    _ = machine.apply(Self.seen(false, at: 1))
    let paces = (2..<7).map { machine.apply(Self.seen(false, at: Double($0))) }
    #expect(paces == [[.pace(2000)], [.pace(4000)], [.pace(5000)], [], []])
    #expect(machine.apply(Self.seen(true, at: 8)) == [.changed(.healthy), .pace(1000)])
  }

  @Test func `maintenance and an end stop everything`() {
    var machine = HealthMachine(Self.check { $0.fall = 1 })
    #expect(machine.apply(Self.seen(false, at: 0)) == [])
    _ = machine.apply(.begun(at: 0))
    #expect(machine.apply(.maintenance(true)) == [.changed(.maintenance)])
    #expect(machine.apply(Self.seen(false, at: 1)) == [])
    #expect(machine.apply(.ended) == [])
    #expect(machine.apply(.maintenance(false)) == [.changed(.idle)])
    _ = machine.apply(.begun(at: 2))
    _ = machine.apply(Self.seen(false, at: 3))
    #expect(machine.apply(.ended) == [.changed(.idle)])
  }
}
