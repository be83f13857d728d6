// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Synchronization

/// Carries changes of identities to those who follow them.
final class IdentityFeed: Sendable {
  private struct State {
    var followers: [UInt64: AsyncStream<IdentityView>.Continuation] = [:]
    var next: UInt64 = 0
  }

  private let state = Mutex(State())
  /// The ids of agents whose identities are over.
  let ends: AsyncStream<String>
  private let end: AsyncStream<String>.Continuation

  init() { (ends, end) = AsyncStream.makeStream(of: String.self) }

  func put(_ view: IdentityView) {
    for follower in state.withLock({ Array($0.followers.values) }) { follower.yield(view) }
  }

  func remove(_ agent: String) { end.yield(agent) }

  func follow(_ continuation: AsyncStream<IdentityView>.Continuation) {
    let id = state.withLock { state in
      state.next += 1
      state.followers[state.next] = continuation
      return state.next
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.followers[id] = nil }
    }
  }
}
