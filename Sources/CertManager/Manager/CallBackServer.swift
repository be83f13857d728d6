// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Proves to whoever asks, and to the authority above all, that the manager has the key of its own certificate: by a TLS handshake, and
/// nothing behind it.
final class CallBackServer: Sendable {
  /// What the manager has now; `nil`: nothing yet.
  private let own: @Sendable () -> OwnCredential?
  private let connections = Atomic<Int>(0)

  private static let seconds: Int64 = 10
  private static let most = 16

  init(own: @escaping @Sendable () -> OwnCredential?) { self.own = own }

  func start(_ socket: consuming Descriptor) async throws {
    _ = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        guard let credential = self.own() else { return channel.close() }
        guard self.connections.wrappingAdd(1, ordering: .relaxed).newValue <= Self.most else {
          self.connections.wrappingSubtract(1, ordering: .relaxed)
          return channel.close()
        }
        channel.closeFuture.whenComplete { _ in self.connections.wrappingSubtract(1, ordering: .relaxed) }
        return channel.eventLoop.makeCompletedFuture {
          let context = try credential.serverContext(protocolName: CallBackVerifier.protocolName)
          try channel.pipeline.syncOperations.addHandlers([
            NIOSSLServerHandler(context: context), Closer(),
          ])
          channel.eventLoop.scheduleTask(in: .seconds(Self.seconds)) { channel.close(promise: nil) }
        }
      }
      .withBoundSocket(socket.take()).get()
  }

  /// What anybody sends is not read.
  private final class Closer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.close(promise: nil) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}
