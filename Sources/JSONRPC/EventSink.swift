// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Synchronization

/// The queue between a source of events and one subscriber: bounded, and honest about what it dropped.
public final class EventSink: Sendable {
  private struct State {
    var queue: [[UInt8]] = []
    var head = 0
    var bytes = 0
    var dropped: UInt64 = 0
    var ended: RPCError??
    var closed = false
    var waiters: [CheckedContinuation<Void, any Error>] = []
  }

  private let state = Mutex(State())
  private let capacity: Int
  private let byteCapacity: Int
  /// Tells the connection that there is something to write.
  private let wake: @Sendable () -> Void

  init(capacity: Int = 1024, byteCapacity: Int = 1 << 20, wake: @escaping @Sendable () -> Void) {
    self.capacity = capacity
    self.byteCapacity = byteCapacity
    self.wake = wake
  }

  /// Queues an event, or counts it as dropped when the subscriber is too slow. Never waits.
  public func offer(_ event: some Encodable) {
    guard let bytes = try? JSONCoding.encode(event) else { return }
    let queued = state.withLock { state in
      guard !state.closed, state.ended == nil else { return false }
      guard state.queue.count - state.head < capacity, state.bytes + bytes.count <= byteCapacity else {
        state.dropped += 1
        return false
      }
      state.queue.append(bytes)
      state.bytes += bytes.count
      return true
    }
    if queued { wake() }
  }

  /// Queues an event, waiting while the queue is full: for sources that can wait, such as files.
  public func send(_ event: some Encodable) async throws {
    let bytes = try JSONCoding.encode(event)
    while true {
      let queued = try state.withLock { state in
        if state.closed { throw CancellationError() }
        guard state.queue.count - state.head < capacity, state.bytes < byteCapacity else { return false }
        state.queue.append(bytes)
        state.bytes += bytes.count
        return true
      }
      if queued { break }
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let resume = state.withLock { state in
          if state.closed || state.queue.count - state.head < capacity / 2 { return true }
          state.waiters.append(continuation)
          return false
        }
        if resume { continuation.resume() }
      }
    }
    wake()
  }

  /// No more events; the subscriber is told, with the reason if there is one.
  func end(_ error: RPCError?) {
    state.withLock { state in
      if state.ended == nil { state.ended = .some(error) }
    }
    wake()
  }

  /// The subscriber is gone.
  func close() {
    let waiters = state.withLock { state in
      state.closed = true
      state.queue = []
      state.head = 0
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(throwing: CancellationError()) }
  }

  enum Item {
    case event([UInt8])
    case dropped(UInt64)
    case end(RPCError?)
  }

  /// What to write next. The loss is told where it happened: after what was queued before it.
  func next() -> Item? {
    let (item, waiters): (Item?, [CheckedContinuation<Void, any Error>]) = state.withLock { state in
      if state.head < state.queue.count {
        let bytes = state.queue[state.head]
        state.head += 1
        state.bytes -= bytes.count
        if state.head == state.queue.count {
          state.queue.removeAll(keepingCapacity: true)
          state.head = 0
        } else if state.head > 4096 {
          state.queue.removeFirst(state.head)
          state.head = 0
        }
        var waiters: [CheckedContinuation<Void, any Error>] = []
        if state.queue.count - state.head < capacity / 2 { swap(&waiters, &state.waiters) }
        return (.event(bytes), waiters)
      }
      if state.dropped > 0 {
        defer { state.dropped = 0 }
        return (.dropped(state.dropped), [])
      }
      if let ended = state.ended, !state.closed {
        state.closed = true
        return (.end(ended), [])
      }
      return (nil, [])
    }
    for waiter in waiters { waiter.resume() }
    return item
  }
}
