// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel
import Logging
import Metrics
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Serves the metrics over HTTP/1.1 (RFC 9112): `GET /metrics`, and a page that says so.
///
/// Whoever connects is nobody in particular: a request has no body that would be read, its head and the time for it have
/// limits, and so has the number of connections.
final class MetricsServer: Sendable {
  private let expose: @Sendable (Exposition) async -> [UInt8]
  private let group: any EventLoopGroup
  private let logger: Logger
  private let channels = Mutex<[any Channel]>([])
  private let connections = Atomic<Int>(0)

  static let mostConnections = 64
  private static let idleSeconds: Int64 = 60

  init(
    group: any EventLoopGroup, logger: Logger, expose: @escaping @Sendable (Exposition) async -> [UInt8]
  ) {
    self.group = group
    self.logger = logger
    self.expose = expose
  }

  /// Serves a listening socket, which the server takes over.
  func start(_ listening: consuming Descriptor) async throws {
    let number = listening.take()
    let bootstrap = ServerBootstrap(group: group).childChannelInitializer { channel in
      guard self.connections.add(1, ordering: .relaxed).newValue <= Self.mostConnections else {
        self.connections.subtract(1, ordering: .relaxed)
        return channel.close()
      }
      channel.closeFuture.whenComplete { _ in self.connections.subtract(1, ordering: .relaxed) }
      return channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(
          IdleStateHandler(allTimeout: .seconds(Self.idleSeconds)))
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
        try channel.pipeline.syncOperations.addHandler(MetricsHandler(self.expose))
      }
    }
    let channel = try await bootstrap.withBoundSocket(number).get()
    channels.withLock { $0.append(channel) }
  }

  func stop() async {
    let all = channels.withLock { channels in
      defer { channels = [] }
      return channels
    }
    // One that is closed already is what is wanted.
    for channel in all { try? await channel.close().get() }
  }
}
