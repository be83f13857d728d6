// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Synchronization

/// What has happened to the entities of a controller: remembered, kept on disk where it has a directory, and told to
/// those who listen.
public final class EventLog: Sendable {
  private struct State {
    var events: [AgentEvent] = []
    var next: UInt64 = 1
    var listeners: [UInt64: AsyncStream<AgentEvent>.Continuation] = [:]
    var nextListener: UInt64 = 1
    var journal: EventJournal?
    var lost = 0
  }

  private static let kept = 1000
  /// In one answer.
  public static let mostListed = 10_000
  private let source: String
  private let directory: String?
  private let state: Mutex<State>

  /// Remembers events only as long as it lives.
  public init(source: String) {
    self.source = source
    directory = nil
    state = Mutex(State())
  }

  /// Keeps events in `directory`, and counts on from those that are there.
  public init(source: String, directory: String) throws {
    self.source = source
    self.directory = directory
    let journal = try EventJournal(directory: directory)
    let events = try EventJournal.last(Self.kept, in: directory) { _ in true }
    let next = journal.last + 1
    state = Mutex(State(events: events, next: next, journal: journal))
  }

  public func add(
    kind: String, name: String, event: String, severity: AgentEvent.Severity = .info, cause: String?,
    correlation: String?, data: [String: String]? = nil
  ) {
    append(
      AgentEvent(
        sequence: 0, time: Timestamp.now, kind: kind, name: name, event: event, severity: severity, source: source,
        cause: cause, correlation: correlation, data: data))
  }

  /// Adds an event that another part of the agent saw; it gets a number of this log.
  public func append(_ event: AgentEvent) {
    state.withLock { state in
      Self.append(event, to: &state)
      // Told as soon as there is room again: a gap that nobody sees would be worse than a full disk.
      if state.lost > 0, state.journal?.lost == 0 {
        let count = state.lost
        state.lost = 0
        Self.append(
          AgentEvent(
            sequence: 0, time: Timestamp.now, kind: "events", name: "events", event: "lost", severity: .error,
            source: source, cause: "\(count) events could not be written to the disk", correlation: nil), to: &state)
      }
    }
  }

  private static func append(_ event: AgentEvent, to state: inout State) {
    var event = event
    event.sequence = state.next
    state.next += 1
    state.events.append(event)
    if state.events.count > Self.kept { state.events.removeFirst(state.events.count - Self.kept) }
    state.journal?.append(event)
    if let journalLost = state.journal?.lost, journalLost > 0 { state.lost += 1 }
    for listener in state.listeners.values { listener.yield(event) }
  }

  /// The sequence number of the last event; 0 before the first.
  public var last: UInt64 { state.withLock { $0.next - 1 } }

  /// The next events after a sequence number, and the number of the oldest one that is still there; mostly from memory.
  public func next(after: UInt64, most: Int) throws -> (events: [AgentEvent], earliest: UInt64) {
    let remembered = state.withLock { $0.events }
    if let first = remembered.first, first.sequence <= after + 1 || directory == nil {
      return (Array(remembered.drop { $0.sequence <= after }.prefix(most)), first.sequence)
    }
    guard let directory, !remembered.isEmpty else { return ([], after + 1) }
    return try EventJournal.next(after: after, most: most, in: directory)
  }

  private func forget(_ id: UInt64) { state.withLock { _ = $0.listeners.removeValue(forKey: id) } }

  /// What is remembered and fits, oldest first; reads the disk.
  public func list(_ filter: EventFilter) throws -> [AgentEvent] {
    let most = min(max(0, filter.last ?? Self.mostListed), Self.mostListed)
    if let directory { return try EventJournal.last(most, in: directory, filter.accepts) }
    return state.withLock { $0.events }.filter(filter.accepts).suffix(most)
  }

  /// What is remembered and fits, where the filter asks for that, then what happens, without a gap.
  /// A listener that is slower than the events misses those before the newest `buffered`.
  public func stream(_ filter: EventFilter?, buffered: Int = 4096) throws -> AsyncStream<AgentEvent> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: AgentEvent.self, bufferingPolicy: .bufferingNewest(buffered))
    // The disk is read before the lock is taken; what happens meanwhile is in memory.
    let past = try filter.map { $0.wantsPast ? try list($0) : [] } ?? []
    let id = state.withLock { state in
      let id = state.nextListener
      state.nextListener += 1
      for event in past { continuation.yield(event) }
      if let filter, filter.wantsPast {
        let read = past.last?.sequence ?? 0
        for event in state.events where event.sequence > read && filter.accepts(event) { continuation.yield(event) }
      }
      state.listeners[id] = continuation
      return id
    }
    // In a task of its own: this is called while the reader's task is being cancelled, under a lock of the runtime that a
    // yield takes, too, and yields happen under the lock of this log.
    continuation.onTermination = { [weak self] _ in
      Task { self?.forget(id) }
    }
    return stream
  }
}
