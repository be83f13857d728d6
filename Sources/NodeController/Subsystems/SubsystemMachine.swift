// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The life of a sub-system as a pure function: what happened, and what to do about it.
struct SubsystemMachine: Sendable, Equatable {
  enum Event: Sendable, Equatable {
    case startAsked
    /// Asked for, but what it requires is not there.
    case held
    case ready
    case reloadBegan
    case readyTimedOut
    /// Its process has ended, or could not be started.
    ///
    /// - Parameters:
    ///   - clean: with code 0, or by the signal that was to stop it.
    ///   - at: seconds of a clock that never goes back.
    ///   - ran: for so many seconds.
    case ended(clean: Bool, at: Double, ran: Double)
    case backoffOver
    case stopAsked
  }

  enum Effect: Sendable, Equatable {
    case spawn
    case terminate
    case kill
    /// Wait so many milliseconds, then ``Event/backoffOver``.
    case wait(milliseconds: Int64)
    /// It was restarted too often.
    case giveUp
  }

  var policy: SubsystemSpec.Restart
  var readiness: SubsystemSpec.Readiness
  private(set) var state = SubsystemState.stopped
  private(set) var restarts = 0
  private var failures = 0
  /// When it was restarted of late.
  private var recent: [Double] = []

  init(policy: SubsystemSpec.Restart = .init(), readiness: SubsystemSpec.Readiness = .started) {
    self.policy = policy
    self.readiness = readiness
  }

  /// A run of this many seconds was a good one: what made earlier ones fail is over.
  private static let goodRun = 10.0

  mutating func apply(_ event: Event) -> [Effect] {
    switch (state, event) {
    case (.stopped, .startAsked), (.failed, .startAsked), (.waiting, .startAsked), (.backoff, .startAsked):
      state = .starting
      failures = 0
      recent = []
      return [.spawn]
    case (.stopped, .held), (.failed, .held), (.backoff, .held):
      state = .waiting
    case (.starting, .ready), (.reloading, .ready):
      state = .available
    case (.available, .reloadBegan):
      state = .reloading
    case (.starting, .readyTimedOut), (.reloading, .readyTimedOut): return [.kill]
    case (.starting, .ended(let clean, let at, let ran)):
      switch readiness {
      case .exited where clean: state = .available
      case .started: return end(clean: clean, at: at, ran: ran)
      // Before it was ready even a clean end is a failure.
      case .exited, .notify: return end(clean: false, at: at, ran: ran)
      }
    case (.available, .ended(let clean, let at, let ran)), (.reloading, .ended(let clean, let at, let ran)):
      return end(clean: clean, at: at, ran: ran)
    case (.backoff, .backoffOver):
      state = .starting
      restarts += 1
      return [.spawn]
    case (.available, .stopAsked) where readiness == .exited:
      state = .stopped
    case (.starting, .stopAsked), (.available, .stopAsked), (.reloading, .stopAsked):
      state = .stopping
      return [.terminate]
    case (.backoff, .stopAsked), (.waiting, .stopAsked), (.failed, .stopAsked), (.stopping, .ended):
      state = .stopped
    case (.stopped, _), (.waiting, _), (.starting, _), (.available, _), (.reloading, _), (.stopping, _), (.backoff, _),
      (.failed, _):
      break
    }
    return []
  }

  private mutating func end(clean: Bool, at: Double, ran: Double) -> [Effect] {
    switch policy.condition {
    case .never:
      state = clean ? .stopped : .failed
      return []
    case .onFailure where clean:
      state = .stopped
      return []
    case .onFailure, .always: break
    }
    if ran >= Self.goodRun { failures = 0 }
    recent.removeAll { at - $0 > Double(policy.interval) / 1000 }
    if policy.burst > 0, recent.count >= policy.burst {
      state = .failed
      return [.giveUp]
    }
    recent.append(at)
    state = .backoff
    defer { failures += 1 }
    return [.wait(milliseconds: min(policy.maximumDelay, policy.delay << Int64(min(failures, 16))))]
  }
}
