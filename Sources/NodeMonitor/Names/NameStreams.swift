// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel
import NIOCore
import NIOPosix
import Synchronization

/// The DNS server's connections (RFC 7766): for answers that are too long for a datagram.
final class NameStreams: Sendable {
  private let server: NameServer
  private let group: any EventLoopGroup
  private let open = Atomic<Int>(0)

  private static let mostOpen = 128
  /// Without a query a connection is closed after this time.
  private let patience: TimeAmount

  init(server: NameServer, group: any EventLoopGroup, patience: TimeAmount = .seconds(10)) {
    self.server = server
    self.patience = patience
    self.group = group
  }

  /// Serves on a listening socket, which is this call's to close.
  func start(_ socket: consuming Descriptor) async throws {
    let descriptor = socket.take()
    _ = try await ServerBootstrap(group: group)
      .childChannelInitializer { [self] channel in
        guard open.wrappingAdd(1, ordering: .relaxed).newValue <= Self.mostOpen else {
          open.wrappingSubtract(1, ordering: .relaxed)
          return channel.close()
        }
        channel.closeFuture.whenComplete { [self] _ in open.wrappingSubtract(1, ordering: .relaxed) }
        return channel.eventLoop.makeCompletedFuture { [self] in
          try channel.pipeline.syncOperations.addHandlers([
            IdleStateHandler(allTimeout: patience), IdleCloser(), ByteToMessageHandler(DNSFrames()),
          ])
          let stream = try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
          Task { await serve(stream) }
        }
      }
      .withBoundSocket(descriptor).get()
  }

  /// One query after the other: whoever does not read his answers is not heard any further.
  private func serve(_ stream: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async {
    do {
      try await stream.executeThenClose { queries, answers in
        for try await query in queries {
          let answer = await server.answer(overStream: Array(query.readableBytesView))
          guard !answer.isEmpty else { return }
          try await answers.write(DNSFrames.frame(answer))
        }
      }
    } catch {
      // The client is gone.
    }
  }
}
