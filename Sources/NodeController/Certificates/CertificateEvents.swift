// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LogStore
import Logging
import Synchronization

/// Brings the certificate manager's events into the node's stream. They are fetched, not sent: the manager may reach nobody.
struct CertificateEvents: Sendable {
  let instance: Instance
  let events: EventLog
  let logger: Logger

  func run() async {
    // The time of the last one that was taken; each life of the manager counts its own from 1.
    let last = Mutex<(time: String, sequence: UInt64)?>(nil)
    let begin = Timestamp.now
    let follower = TopicFollower(path: instance.certificateSocket, logger: logger)
    let stream = follower.follow(EventMethods.topic, keeping: 1000) {
      EventMethods.Query(since: last.withLock { $0?.time } ?? begin)
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
}
