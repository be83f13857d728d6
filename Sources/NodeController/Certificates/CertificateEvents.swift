// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LogStore
import Logging
import Synchronization

/// Brings the certificate manager's events into the node's stream. They are fetched, not sent: the manager may reach nobody.
struct CertificateEvents: Sendable {
  let instance: Instance
  let events: EventLog
  let logger: Logger

  func run() async {
    // The time of the last one that was taken, by this node controller or by one before it; each life of the manager counts its own from 1.
    let last = Mutex<(time: String, sequence: UInt64)?>(await newest().map { ($0, .max) })
    let follower = TopicFollower(path: instance.certificateSocket, logger: logger)
    let stream = follower.follow(EventMethods.topic, keeping: 1000) {
      let time = last.withLock { $0?.time }
      return time == nil ? EventMethods.Query(after: 0) : EventMethods.Query(since: time)
    }
    for await event in stream {
      let isNew = last.withLock { last in
        if let last, event.time < last.time || (event.time == last.time && event.sequence <= last.sequence) {
          return false
        }
        last = (event.time, event.sequence)
        return true
      }
      if isNew { events.append(event) }
    }
  }

  private func newest() async -> String? {
    do {
      let filter = try EventFilter(.init(kinds: ["certificate"]))
      return try await Blocking.run { [events] in try events.list(filter) }
        .last { $0.source == CertificateManagerSpec.name }?.time
    } catch {
      logger.error("the node's events cannot be read", metadata: ["error": "\(error)"])
      return nil
    }
  }
}
