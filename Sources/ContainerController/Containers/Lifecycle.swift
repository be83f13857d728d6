// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The life of a container as a pure function of what happens to it.
struct Lifecycle: Sendable, Equatable {
  enum Event: Sendable, Equatable {
    case made
    case startAsked
    case ready
    case notReady
    case startFailed(String)
    case stopAsked
    /// The workload ended; the reason is `nil` when it ended as it should.
    case ended(reason: String?)
    case removeAsked
    case removed
  }

  struct Refusal: Error, Equatable {
    var state: ContainerState
    var event: Event
  }

  private(set) var state: ContainerState
  private(set) var reason: String?

  init(state: ContainerState = .preparing, reason: String? = nil) {
    self.state = state
    self.reason = reason
  }

  /// Goes to the next state, or refuses an event that has no place in this one.
  mutating func apply(_ event: Event) throws(Refusal) {
    switch (state, event) {
    case (.preparing, .made): state = .created
    case (.created, .startAsked), (.stopped, .startAsked), (.failed, .startAsked): set(.initializing)
    case (.initializing, .ready), (.unavailable, .ready): set(.available)
    case (.available, .notReady), (.initializing, .notReady): set(.unavailable)
    case (.initializing, .startFailed(let why)): set(.failed, why)
    case (.initializing, .stopAsked), (.available, .stopAsked), (.unavailable, .stopAsked): set(.stopping)
    case (.initializing, .ended(let why)), (.available, .ended(let why)), (.unavailable, .ended(let why)):
      set(why == nil ? .stopped : .failed, why)
    // It was asked to end: however it ended, it did as asked, unless the kernel took it for its memory.
    case (.stopping, .ended(let why)): set(why == nil ? .stopped : .failed, why)
    case (.preparing, .removeAsked), (.created, .removeAsked), (.stopped, .removeAsked), (.failed, .removeAsked):
      set(.destroying)
    case (.destroying, .removed): set(.destroyed)
    default: throw Refusal(state: state, event: event)
    }
  }

  private mutating func set(_ next: ContainerState, _ why: String? = nil) {
    state = next
    reason = why
  }
}
