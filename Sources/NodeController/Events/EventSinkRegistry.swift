// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import HealthChecks
import JSONRPC
import LinuxKernel
import LogStore
import Logging

/// The sinks of the events: what they are, and how far each has come, kept over restarts.
///
/// The monitor sends the events, which needs no privilege. The stream on disk is the queue: a sink that is away for a while
/// gets what it missed, as long as that is still there.
actor EventSinkRegistry {
  private let events: EventLog
  private let logger: Logger
  private let file: String
  private var specs: [EventSinkSpec] = []
  private var states: [String: EventSinkState] = [:]
  private var failing: [String: String] = [:]
  private let broadcast = Broadcast<EventSinkMethods.Assignments>()

  init(instance: Instance, events: EventLog, logger: Logger) {
    self.events = events
    self.logger = logger
    file = "\(instance.stateDirectory)/sinks.json"
    for (name, position) in SavedState.read([String: UInt64].self, file, logger: logger) ?? [:] {
      states[name] = EventSinkState(name: name, position: position)
    }
  }

  var sinks: [EventSinkSpec] { specs }

  /// Makes these the sinks. A new one begins with what happens from now on.
  func configure(_ sinks: [EventSinkSpec]) {
    specs = sinks
    let names = Set(sinks.map(\.name))
    states = states.filter { names.contains($0.key) }
    failing = failing.filter { names.contains($0.key) }
    for name in names where states[name] == nil {
      states[name] = EventSinkState(name: name, position: events.last)
    }
    write()
    broadcast.send(current)
  }

  private var current: EventSinkMethods.Assignments {
    .init(sinks: specs, positions: states.mapValues(\.position))
  }

  func assignments() -> AsyncStream<EventSinkMethods.Assignments> {
    broadcast.listen(current)
  }

  /// How far the sinks have come. A name that is none is left out; a position never goes back, and never beyond the
  /// stream.
  func take(_ report: [EventSinkState]) {
    for state in report {
      guard let known = states[state.name] else { continue }
      var state = state
      state.position = min(max(state.position, known.position), events.last)
      state.failure = state.failure.map { String($0.prefix(500)) }
      states[state.name] = state
      tell(state, known)
    }
    write()
  }

  private func tell(_ state: EventSinkState, _ known: EventSinkState) {
    if let failure = state.failure, failing[state.name] == nil {
      failing[state.name] = Timestamp.now
      events.add(
        kind: "events", name: state.name, event: "sink failing", severity: .warning, cause: failure, correlation: nil)
    } else if state.failure == nil, failing.removeValue(forKey: state.name) != nil {
      events.add(kind: "events", name: state.name, event: "sink working", cause: nil, correlation: nil)
    }
    if state.dropped > known.dropped {
      events.add(
        kind: "events", name: state.name, event: "sink lost events", severity: .error,
        cause: "\(state.dropped - known.dropped) events were gone before the sink took them", correlation: nil)
    }
  }

  private func write() {
    do {
      try FileSystem.replace(file, with: try JSONCoding.encode(states.mapValues(\.position)), mode: 0o600)
    } catch {
      // A sink gets some events twice after a restart then, which is better than not at all.
      logger.error("the sinks' positions cannot be written", metadata: ["error": "\(error)"])
    }
  }

  func list() -> [EventSinkView] {
    specs.map { spec in
      EventSinkView(
        spec: spec, state: states[spec.name] ?? EventSinkState(name: spec.name, position: 0), last: events.last,
        since: failing[spec.name])
    }
  }
}
