// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import JSONRPC
import LinuxKernel
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// A connection to a socket of another node, as a local one: the bytes go through TLS on threads of this process.
public enum RemoteConnection {
  private static let patience: Int64 = 15

  /// - Parameters:
  ///   - node: `HOST` or `HOST:PORT`. Of a name, the node's certificate has to have it, or begin with it; at an address any gateway of the same
  ///     application is taken.
  /// - Returns: a stream socket.
  /// - Throws: `unavailable` where nobody answers, `permission denied` where it is somebody else.
  public static func open(_ node: String, _ target: RemoteTarget, as identity: TLSIdentity) async throws
    -> SharedDescriptor
  {
    guard let place = HostAndPort(node, usual: RemoteTarget.port) else {
      throw RPCError(.invalidParams, "a node is HOST, HOST:PORT or [ADDRESS]:PORT, not \(node.prefix(100))")
    }
    let (host, port) = (place.host, Int(place.port))
    let (near, far) = try UnixSocket.pair(.stream)
    let group = MultiThreadedEventLoopGroup.singleton
    let loop = group.next()
    let context = try identity.clientContext(target)
    let verified = loop.makePromise(of: Void.self)
    let verifier = NIOLoopBoundBox<Verifier?>.makeEmptyBox(valueType: Verifier.self, eventLoop: loop)
    let outer: any Channel
    do {
      outer = try await ClientBootstrap(group: loop).connectTimeout(.seconds(patience))
        .channelOption(.autoRead, value: true)
        .channelOption(.allowRemoteHalfClosure, value: true)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            let looking = Verifier(node: host, application: identity.application, promise: verified)
            verifier.value = looking
            try channel.pipeline.syncOperations.addHandlers([
              try NIOSSLClientHandler(context: context, serverHostname: nil), looking,
            ])
          }
        }
        .connect(host: host, port: port).get()
    } catch {
      verified.succeed()
      throw RPCError(.unavailable, "cannot reach \(host):\(port): \(error); does its certificates.yaml have remote?")
    }
    let timer = loop.scheduleTask(in: .seconds(patience)) {
      verified.fail(RPCError(.unavailable, "\(host):\(port) has not ended the handshake in time"))
    }
    do {
      try await verified.futureResult.get()
      timer.cancel()
    } catch {
      outer.close(promise: nil)
      throw error as? RPCError
        ?? RPCError(.permissionDenied, "\(host):\(port) and this end do not trust each other: \(error)")
    }
    let copy = try far.duplicate()
    let inner = try await ClientBootstrap(group: loop)
      .channelOption(.autoRead, value: false)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .withConnectedSocket(copy.take()).get()
    try await loop.submit {
      // What the other end had to say at once; it may be all, and the connection closed behind it.
      for part in verifier.value?.early ?? [] { inner.write(part, promise: nil) }
      inner.flush()
      verifier.value?.early = []
      verifier.value?.isJoined = true
      guard outer.isActive else { return inner.close(promise: nil) }
      let (one, other) = GlueHandler.pair()
      try outer.pipeline.syncOperations.addHandler(one)
      try inner.pipeline.syncOperations.addHandler(other)
      for channel in [outer, inner] { try channel.syncOptions?.setOption(.autoRead, value: true) }
    }.get()
    return near
  }

  /// Looks at who the other end is, once the handshake has proved it.
  private final class Verifier: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    private let node: String
    private let application: String
    private let promise: EventLoopPromise<Void>
    var early: [ByteBuffer] = []
    var isJoined = false

    init(node: String, application: String, promise: EventLoopPromise<Void>) {
      self.node = node
      self.application = application
      self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      // Once it is connected through, the next handler takes what comes.
      if isJoined { return context.fireChannelRead(data) }
      early.append(unwrapInboundIn(data))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      guard case .handshakeCompleted? = event as? TLSUserEvent else {
        return context.fireUserInboundEventTriggered(event)
      }
      promise.completeWith(
        Result {
          let tls = try context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
          let peer = try PeerCertificate(tls, application: application)
          guard peer.identity.subsystem == Gateway.subsystem else {
            throw RPCError(
              .permissionDenied, "what answers at \(node) is a \(peer.identity.subsystem), not a node's gateway")
          }
          let isAddress = (try? SocketAddress(ipAddress: node, port: 0)) != nil
          guard isAddress || peer.identity.node == node || peer.identity.node.hasPrefix("\(node).") else {
            throw RPCError(
              .permissionDenied, "what answers at \(node) is the gateway of \(peer.identity.node)")
          }
        })
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      promise.fail(error)
      context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
      promise.fail(RPCError(.unavailable, "\(node) has closed the connection; its gateway may have no identity yet"))
      context.fireChannelInactive()
    }
  }
}
