// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// Whether something is healthy, as a pure function of what was seen.
struct HealthMachine: Sendable, Equatable {
  enum Event: Sendable, Equatable {
    /// What it is about runs now, since `at`.
    case begun(at: Double)
    /// What it is about does not run any more.
    case ended
    /// One look, and whether the fault may be this node's own.
    case seen(ok: Bool, at: Double, cutOff: Bool)
    case maintenance(Bool)
  }

  enum Effect: Sendable, Equatable {
    case changed(HealthState)
    case act(HealthCheck.Action)
    /// The interval from now on, in milliseconds.
    case pace(Int64)
  }

  let check: HealthCheck
  private(set) var state = HealthState.idle
  private(set) var failures = 0
  private var successes = 0
  private var begun = 0.0
  private var isRunning = false
  private var healthySince: Double?
  /// How many actions have been taken.
  private var steps = 0
  /// How many restarts in a row it has asked for without having been healthy in between.
  private var vainRestarts = 0
  private var interval: Int64

  init(_ check: HealthCheck) {
    self.check = check
    interval = check.interval
  }

  mutating func apply(_ event: Event) -> [Effect] {
    switch event {
    case .begun(let at):
      isRunning = true
      begun = at
      return state == .maintenance ? [] : restart(.pending)
    case .ended:
      isRunning = false
      return state == .maintenance ? [] : restart(.idle)
    case .maintenance(let on):
      if on { return state == .maintenance ? [] : restart(.maintenance) }
      guard state == .maintenance else { return [] }
      steps = 0
      vainRestarts = 0
      return restart(isRunning ? .pending : .idle)
    case .seen(let ok, let at, let cutOff):
      guard state != .idle, state != .maintenance else { return [] }
      return ok ? succeed(at) : fail(at, cutOff: cutOff)
    }
  }

  private mutating func restart(_ next: HealthState) -> [Effect] {
    successes = 0
    failures = 0
    healthySince = nil
    let effects = pace(check.interval)
    guard state != next else { return effects }
    state = next
    return [.changed(next)] + effects
  }

  private mutating func pace(_ next: Int64) -> [Effect] {
    guard next != interval else { return [] }
    interval = next
    return [.pace(next)]
  }

  private mutating func succeed(_ at: Double) -> [Effect] {
    failures = 0
    successes += 1
    if let healthySince, at - healthySince >= Double(check.forgive) / 1000 { steps = 0 }
    guard state != .healthy, successes >= check.rise else { return [] }
    state = .healthy
    vainRestarts = 0
    healthySince = at
    return [.changed(.healthy)] + pace(check.interval)
  }

  private mutating func fail(_ at: Double, cutOff: Bool) -> [Effect] {
    successes = 0
    // In its first moments what it is about may still be starting.
    if state == .pending, at - begun < Double(grace) / 1000 { return [] }
    failures += 1
    if state == .unhealthy {
      return check.backoff > 0 ? pace(min(max(check.backoff, check.interval), interval * 2)) : []
    }
    guard failures >= check.fall else { return [] }
    state = .unhealthy
    healthySince = nil
    var effects: [Effect] = [.changed(.unhealthy)]
    if !cutOff, !check.actions.isEmpty {
      let action = check.actions[min(steps, check.actions.count - 1)]
      effects.append(.act(action))
      steps += 1
      if action == .restart { vainRestarts += 1 }
    }
    return effects
  }

  /// How long failures after a start do not count, in milliseconds: after each restart that did not make it healthy twice as
  /// long, since one that needs longer to start than `fall` looks last would be restarted for ever.
  private var grace: Int64 {
    guard vainRestarts > 0 else { return check.grace }
    let first = max(check.grace, check.interval * Int64(check.fall))
    return max(check.grace, min(Self.longestGrace, first << Int64(min(vainRestarts, 16))))
  }

  private static let longestGrace: Int64 = 5 * 60 * 1000
}
