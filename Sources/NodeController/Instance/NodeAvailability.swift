// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import LogStore
import Synchronization

/// Whether the node takes new containers. What somebody has marked holds through restarts and boots.
final class NodeAvailability: Sendable {
  private struct Mark: Codable {
    var reason: String?
    /// Microseconds since 1970.
    var since: Int64
  }

  private struct State {
    var phase = NodeState.initializing
    var since = Clock.wallMicroseconds()
    var mark: Mark?
  }

  private let file: String
  private let events: EventLog
  private let state: Mutex<State>

  init(instance: Instance, events: EventLog) {
    file = "\(instance.stateDirectory)/unavailable.json"
    self.events = events
    var initial = State()
    initial.mark = (try? FileSystem.read(file)).flatMap { try? JSONCoding.decode(Mark.self, from: $0) }
    state = Mutex(initial)
  }

  /// The state with its beginning and its reason.
  var now: (state: NodeState, since: Int64, reason: String?) {
    state.withLock { state in
      if state.phase == .available, let mark = state.mark { return (.unavailable, mark.since, mark.reason) }
      return (state.phase, state.since, nil)
    }
  }

  func enter(_ phase: NodeState) {
    state.withLock {
      $0.phase = phase
      $0.since = Clock.wallMicroseconds()
    }
    let now = now
    events.add(kind: "node", name: "node", event: now.state.rawValue, cause: now.reason, correlation: nil)
  }

  func markUnavailable(_ reason: String?, correlation: String?) throws {
    let mark = Mark(reason: reason, since: Clock.wallMicroseconds())
    try FileSystem.replace(file, with: try JSONCoding.encode(mark), mode: 0o600, durable: true)
    state.withLock { $0.mark = mark }
    events.add(
      kind: "node", name: "node", event: NodeState.unavailable.rawValue, severity: .warning, cause: reason,
      correlation: correlation)
  }

  func markAvailable(correlation: String?) throws {
    try FileSystem.remove(file)
    let marked = state.withLock { state in
      defer { state.mark = nil }
      return state.mark != nil
    }
    if marked {
      events.add(kind: "node", name: "node", event: now.state.rawValue, cause: nil, correlation: correlation)
    }
  }

  /// - Throws: `wrong state` while no new container is taken.
  func admit() throws(RPCError) {
    let now = now
    guard now.state == .unavailable else { return }
    throw RPCError(
      .wrongState,
      "the node is marked unavailable\(now.reason.map { " (\($0))" } ?? "") and takes no new containers; nodeagent node mark-available ends that"
    )
  }
}
