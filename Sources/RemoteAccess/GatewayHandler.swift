// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import JSONRPC
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// One connection of the gateway: waits for the handshake, finds out who has come, and connects him to the socket that he wants.
///
/// What he sends is for that socket and not read here.
final class GatewayHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let gateway: Gateway
  private let application: String
  private var early: [ByteBuffer] = []

  init(_ gateway: Gateway, application: String) {
    self.gateway = gateway
    self.application = application
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // What comes with the last packet of the handshake; more is not asked for until there is somebody to take it.
    early.append(unwrapInboundIn(data))
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case .handshakeCompleted(let name)? = event as? TLSUserEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    do {
      guard let target = RemoteTarget(protocolName: name) else {
        throw RPCError(
          .invalidRequest,
          "the connection is for none of \(RemoteTarget.allCases.map(\.protocolName).joined(separator: ", "))")
      }
      let tls = try context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
      let peer = try PeerCertificate(tls, application: application)
      admit(peer, target, context)
    } catch {
      gateway.refuse(context.channel, error)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    gateway.failed(context.channel, error)
    context.close(promise: nil)
  }

  private func admit(_ peer: PeerCertificate, _ target: RemoteTarget, _ context: ChannelHandlerContext) {
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    let (gateway, channel) = (gateway, context.channel)
    context.eventLoop.makeFutureWithTask { try await gateway.connect(peer, target, for: channel) }
      .whenComplete { result in
        let (handler, context) = bound.value
        switch result {
        case .success(let inner): handler.join(inner, context)
        case .failure(let error): gateway.refuse(context.channel, error)
        }
      }
  }

  /// From here on both are one connection.
  private func join(_ inner: any Channel, _ context: ChannelHandlerContext) {
    do {
      let (near, far) = GlueHandler.pair()
      try context.pipeline.syncOperations.addHandler(near)
      try inner.pipeline.syncOperations.addHandler(far)
      for part in early { inner.write(part, promise: nil) }
      inner.flush()
      early = []
      context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
      for channel in [context.channel, inner] {
        try channel.syncOptions?.setOption(.autoRead, value: true)
      }
    } catch {
      inner.close(promise: nil)
      gateway.refuse(context.channel, error)
    }
  }
}
