// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import Synchronization

/// The last events of the controller, and those who listen.
final class EventLog: Sendable {
  private struct State {
    var events: [AgentEvent] = []
    var next: UInt64 = 1
    var listeners: [UInt64: AsyncStream<AgentEvent>.Continuation] = [:]
    var nextListener: UInt64 = 1
  }

  private static let kept = 1000
  private let state = Mutex(State())

  func add(kind: String, name: String, event: String, cause: String?, correlation: String?) {
    state.withLock { state in
      let event = AgentEvent(
        sequence: state.next, time: Timestamp.now, kind: kind, name: name, event: event, cause: cause,
        correlation: correlation)
      state.next += 1
      state.events.append(event)
      if state.events.count > Self.kept { state.events.removeFirst(state.events.count - Self.kept) }
      for listener in state.listeners.values { listener.yield(event) }
    }
  }

  func list(_ query: EventMethods.Query) -> [AgentEvent] {
    state.withLock { $0.events }.filter { query.accepts($0) }
  }

  /// What is remembered after `query.after` (nothing when that is missing), then what happens, without a gap.
  /// A listener that is slower than the events misses those before the newest `buffered`.
  func stream(_ query: EventMethods.Query, buffered: Int = 4096) -> AsyncStream<AgentEvent> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: AgentEvent.self, bufferingPolicy: .bufferingNewest(buffered))
    let id = state.withLock { state in
      let id = state.nextListener
      state.nextListener += 1
      if query.after != nil { for event in state.events { continuation.yield(event) } }
      state.listeners[id] = continuation
      return id
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
    }
    return stream
  }
}

extension EventMethods.Query {
  func accepts(_ event: AgentEvent) -> Bool {
    if let after, event.sequence <= after { return false }
    if let names, !names.contains(event.name) { return false }
    return true
  }
}
