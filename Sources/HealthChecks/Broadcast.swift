// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Synchronization

/// Tells all who listen the latest of something; who is slow misses what is older.
public final class Broadcast<Value: Sendable>: Sendable {
  private struct State {
    var listeners: [UInt64: AsyncStream<Value>.Continuation] = [:]
    var next: UInt64 = 0
  }

  private let state = Mutex(State())

  public init() {}

  /// What is so now, and whatever is sent from now on.
  public func listen(_ now: Value) -> AsyncStream<Value> {
    let (stream, continuation) = AsyncStream.makeStream(of: Value.self, bufferingPolicy: .bufferingNewest(1))
    continuation.yield(now)
    let id = state.withLock { state in
      state.next += 1
      state.listeners[state.next] = continuation
      return state.next
    }
    continuation.onTermination = { [weak self] _ in
      // The continuation goes after the lock is let go.
      _ = self?.state.withLock { $0.listeners.removeValue(forKey: id) }
    }
    return stream
  }

  /// Callers see to it that this is not called twice at the same time: the order would be anybody's guess.
  public func send(_ value: Value) {
    // Not with the lock: a reader that is cancelled takes it while it holds a lock of the runtime that `yield` needs.
    let listeners = state.withLock { Array($0.listeners.values) }
    for listener in listeners { listener.yield(value) }
  }
}
