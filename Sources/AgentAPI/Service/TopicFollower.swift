// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import JSONRPC
import LinuxKernel
import Logging
import Synchronization

/// Listens to a topic of another part of the agent, and comes again when that has gone.
public struct TopicFollower: Sendable {
  let path: String
  let logger: Logger

  /// - Parameter path: of the socket.
  public init(path: String, logger: Logger) {
    self.path = path
    self.logger = logger
  }

  private static let pauseMicroseconds: UInt32 = 500_000

  /// The events, of which only the newest waits to be taken. Ends with its reader.
  public func follow<Params, Event>(_ topic: Method<Params, Event>, _ params: Params) -> AsyncStream<Event> {
    follow(topic, keeping: 1) { params }
  }

  /// - Parameters:
  ///   - count: how many events wait to be taken.
  ///   - params: of each subscription anew.
  public func follow<Params, Event>(
    _ topic: Method<Params, Event>, keeping count: Int, _ params: @escaping @Sendable () -> Params
  ) -> AsyncStream<Event> {
    let (stream, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(count))
    let isOver = Flag()
    continuation.onTermination = { _ in isOver.raise() }
    do {
      // Reading a socket waits: in a thread of its own.
      try NamedThread.start("topic") {
        while !isOver.isRaised {
          do {
            let client = try RPCClient(path: path)
            _ = try client.subscribe(topic, params())
            while !isOver.isRaised, let delivery = try client.next(Event.self) {
              if case .event(let event) = delivery { continuation.yield(event) }
              if case .end = delivery { break }
            }
          } catch {
            logger.debug("it is away", metadata: ["socket": "\(path)", "topic": "\(topic.name)", "error": "\(error)"])
          }
          usleep(Self.pauseMicroseconds)
        }
      }
    } catch {
      logger.error("cannot listen to another part of the agent", metadata: ["error": "\(error)"])
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
