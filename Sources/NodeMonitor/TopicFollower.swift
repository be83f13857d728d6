// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import JSONRPC
import LinuxKernel
import Logging
import Synchronization

/// Listens to a topic of the node controller, and comes again when that has gone.
struct TopicFollower: Sendable {
  let path: String
  let logger: Logger

  private static let pauseMicroseconds: UInt32 = 500_000

  /// The events, of which only the newest waits to be taken. Ends with its reader.
  func follow<Params, Event>(_ topic: Method<Params, Event>, _ params: Params) -> AsyncStream<Event> {
    let (stream, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(1))
    let isOver = Flag()
    continuation.onTermination = { _ in isOver.raise() }
    do {
      // Reading a socket waits: in a thread of its own.
      try NamedThread.start("topic") {
        while !isOver.isRaised {
          do {
            let client = try RPCClient(path: path)
            _ = try client.subscribe(topic, params)
            while !isOver.isRaised, let delivery = try client.next(Event.self) {
              if case .event(let event) = delivery { continuation.yield(event) }
              if case .end = delivery { break }
            }
          } catch {
            logger.debug("the node controller is away", metadata: ["topic": "\(topic.name)", "error": "\(error)"])
          }
          usleep(Self.pauseMicroseconds)
        }
      }
    } catch {
      logger.error("cannot listen to the node controller", metadata: ["error": "\(error)"])
      continuation.finish()
    }
    return stream
  }

  private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    var isRaised: Bool { value.load(ordering: .relaxed) }
    func raise() { value.store(true, ordering: .relaxed) }
  }
}
