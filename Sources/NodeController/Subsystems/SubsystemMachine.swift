// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The life of a sub-system as a pure function: what happened, and what to do about it.
struct SubsystemMachine: Sendable, Equatable {
  enum State: Sendable, Equatable {
    case stopped
    case starting
    case available
    case stopping
    case backoff
  }

  enum Event: Sendable, Equatable {
    case startAsked
    case ready
    case readyTimedOut
    /// It ended after this many seconds.
    case ended(after: Double)
    case backoffOver
    case stopAsked
  }

  enum Effect: Sendable, Equatable {
    case spawn
    case terminate
    case kill
    /// Wait so many milliseconds, then ``Event/backoffOver``.
    case wait(milliseconds: Int64)
  }

  private(set) var state = State.stopped
  private(set) var restarts = 0
  private var failures = 0

  /// 100 ms, doubled with each failure in a row: up to 30 s for one that cannot start, and up to 1 s for one that could
  /// and then failed, for others wait for it.
  private mutating func pause(atMost most: Int64) -> [Effect] {
    state = .backoff
    defer { failures += 1 }
    return [.wait(milliseconds: min(most, 100 << Int64(min(failures, 9))))]
  }

  mutating func apply(_ event: Event) -> [Effect] {
    switch (state, event) {
    case (.stopped, .startAsked):
      state = .starting
      failures = 0
      return [.spawn]
    case (.starting, .ready):
      state = .available
      return []
    case (.starting, .readyTimedOut): return [.kill]
    case (.starting, .ended):
      return pause(atMost: 30_000)
    case (.available, .ended(let seconds)):
      // A run of ten seconds was a good one: what made earlier ones fail is over.
      if seconds >= 10 { failures = 0 }
      return pause(atMost: 1000)
    case (.backoff, .backoffOver):
      state = .starting
      restarts += 1
      return [.spawn]
    case (.starting, .stopAsked), (.available, .stopAsked):
      state = .stopping
      return [.terminate]
    case (.backoff, .stopAsked):
      state = .stopped
      return []
    case (.stopping, .ended):
      state = .stopped
      return []
    case (.stopped, _), (.stopping, _), (.backoff, _), (.available, _), (.starting, _): return []
    }
  }

  var viewState: SubsystemState {
    switch state {
    case .stopped: .stopped
    case .starting: .starting
    case .available: .available
    case .stopping: .stopping
    case .backoff: .backoff
    }
  }
}
