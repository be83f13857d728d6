// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LogStore
import Logging

/// Sends this controller's events to the node's stream. While the node controller is away they wait in the log; what
/// that could not hold is told as a number.
struct EventForwarder: Sendable {
  let instance: Instance
  let events: EventLog
  let logger: Logger

  func run() async {
    var sent: UInt64 = 0
    // One notice is enough: what has happened is read from the log.
    guard let notices = try? events.stream(nil, buffered: 1) else { return }
    for await _ in notices {
      while !Task.isCancelled {
        do {
          sent = try await send(after: sent)
          break
        } catch {
          logger.debug("the node's stream of events is away", metadata: ["error": "\(error)"])
          try? await Task.sleep(for: .seconds(1))
        }
      }
      // A burst of events becomes one call.
      try? await Task.sleep(for: .milliseconds(50))
    }
  }

  /// Sends what has happened since `sent`, and returns the number of the last event that arrived.
  private func send(after sent: UInt64) async throws -> UInt64 {
    var waiting = try events.list(EventFilter(.init(after: sent)))
    guard let first = waiting.first, let last = waiting.last else { return sent }
    if first.sequence > sent + 1 { waiting.insert(Self.gap(first.sequence - sent - 1), at: 0) }
    let report = EventMethods.Report(events: waiting)
    let path = instance.nodeSocket
    try await Blocking.run { _ = try RPCClient(path: path).call(EventMethods.report, report, deadline: 30_000) }
    return last.sequence
  }

  private static func gap(_ count: UInt64) -> AgentEvent {
    AgentEvent(
      sequence: 0, time: Timestamp.now, kind: "events", name: "container-controller", event: "lost", severity: .error,
      source: "container-controller", cause: "\(count) events came while the node controller was away too long",
      correlation: nil)
  }
}
