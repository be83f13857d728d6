// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import JSONRPC
import LinuxKernel
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// Lets callers from other machines to this node's sockets, by mutual TLS 1.3.
///
/// A process of its own, with a user of its own: what comes from the network is parsed neither by root nor where keys are. Its own key is the
/// manager's; what a caller may do follows from the roles in his certificate, and the sockets' servers decide on that.
public final class Gateway: Sendable {
  public static let subsystem = "gateway"

  private let instance: Instance
  private let manager: ServiceManager
  private let logger: Logger
  private let group = MultiThreadedEventLoopGroup.singleton
  private let identity = Mutex<(context: NIOSSLContext, application: String, ends: String)?>(nil)
  private let connections = Atomic<Int>(0)
  private let refusals = Mutex<(minute: UInt64, count: Int)>((0, 0))

  private static let mostConnections = 1024
  private static let handshakeSeconds: Int64 = 10
  /// Refusals that are written down in a minute: anybody can cause them.
  private static let mostRefusals = 60

  public init(instance: Instance, manager: ServiceManager, logger: Logger) {
    self.instance = instance
    self.manager = manager
    self.logger = logger
  }

  /// Serves on sockets that listen, until `end`.
  public func run(_ sockets: [SharedDescriptor], until end: AsyncStream<Void>) async throws {
    let renewing = Task { await self.keepIdentity() }
    for socket in sockets { try await serve(socket) }
    try manager.ready(status: "waiting for an identity")
    let watchdog = Task { [manager, logger] in await Watchdog.run(manager, logger: logger) {} }
    for await _ in end { break }
    try manager.stopping()
    for task in [renewing, watchdog] { task.cancel() }
  }

  /// Takes up its identity, and the next one whenever there is one.
  private func keepIdentity() async {
    while !Task.isCancelled {
      do {
        let instance = instance
        let next = try await Blocking.run { try TLSIdentity.managed(instance, subsystem: Self.subsystem) }
        let isNew = identity.withLock { $0?.ends != next.ends }
        if isNew {
          let context = try next.serverContext()
          identity.withLock { $0 = (context, next.application, next.ends) }
          try manager.status("serving until \(next.ends)")
        }
        try? await Task.sleep(for: .seconds(30))
      } catch {
        logger.notice("no identity yet", metadata: ["error": "\(error)"])
        try? await Task.sleep(for: .seconds(1))
      }
    }
  }

  private func serve(_ socket: SharedDescriptor) async throws {
    let copy = try socket.duplicate()
    _ = try await ServerBootstrap(group: group)
      .childChannelOption(.autoRead, value: true)
      // Somebody who follows a log may hear nothing for long; one that is gone is found out by the kernel (tcp(7)).
      .childChannelOption(.socketOption(.so_keepalive), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
      .childChannelInitializer { [self] channel in
        // Without an identity nobody can be told anything.
        guard let known = identity.withLock({ $0 }) else { return channel.close() }
        guard connections.wrappingAdd(1, ordering: .relaxed).newValue <= Self.mostConnections else {
          connections.wrappingSubtract(1, ordering: .relaxed)
          return channel.close()
        }
        channel.closeFuture.whenComplete { [self] _ in connections.wrappingSubtract(1, ordering: .relaxed) }
        return channel.eventLoop.makeCompletedFuture { [self] in
          try channel.pipeline.syncOperations.addHandlers([
            NIOSSLServerHandler(context: known.context), GatewayHandler(self, application: known.application),
          ])
          channel.eventLoop.scheduleTask(in: .seconds(Self.handshakeSeconds)) {
            // By then it has been connected through, or is not worth waiting for.
            if (try? channel.pipeline.syncOperations.handler(type: GatewayHandler.self)) != nil {
              channel.close(promise: nil)
            }
          }
        }
      }
      .withBoundSocket(copy.take()).get()
  }

  // MARK: - Callers

  /// Connects to a socket of this node as somebody else.
  func connect(_ peer: PeerCertificate, _ target: RemoteTarget, for channel: any Channel) async throws -> any Channel {
    try await channel.setOption(.autoRead, value: false).get()
    let remote = RemotePeer(
      agent: peer.identity.agent, subsystem: peer.identity.subsystem, node: peer.identity.node,
      roles: peer.capabilities.roles)
    guard !remote.usableRoles.isEmpty else {
      throw RPCError(
        .permissionDenied,
        "the certificate of \(remote.agent) (\(remote.subsystem) on \(remote.node)) has no role for callers from other machines"
      )
    }
    let instance = instance
    let state = try await Blocking.run {
      try RPCClient(path: instance.certificateSocket, seconds: 15).call(CertMethods.check, .init(serial: peer.serial))
    }
    guard state.state == .good else {
      throw RPCError(
        .permissionDenied, "the certificate \(peer.serial) of \(remote.agent) is \(state.state.rawValue)")
    }
    let inner = try await Blocking.run {
      let client = try RPCClient(path: target.socket(instance), seconds: 15)
      _ = try client.call(RPCRouter.assume, remote)
      return SharedDescriptor(try Descriptor.copy(of: client.descriptor))
    }
    logger.debug("connected", metadata: ["agent": "\(remote.agent)", "to": "\(target.rawValue)"])
    let copy = try inner.duplicate()
    return try await ClientBootstrap(group: channel.eventLoop)
      .channelOption(.autoRead, value: false)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
      .withConnectedSocket(copy.take()).get()
  }

  /// Tells why, where he can read it, and ends it.
  func refuse(_ channel: any Channel, _ error: any Error) {
    failed(channel, error)
    let problem = error as? RPCError ?? RPCError(.unavailable, "the node's own sockets do not answer")
    let line = RequestEnvelope.answer(id: nil, error: problem) + [0x0a]
    channel.writeAndFlush(ByteBuffer(bytes: line)).whenComplete { _ in channel.close(promise: nil) }
  }

  func failed(_ channel: any Channel, _ error: any Error) {
    let minute = Clock.monotonicNanoseconds() / 60_000_000_000
    let isTold = refusals.withLock { refusals in
      if refusals.minute != minute { refusals = (minute, 0) }
      refusals.count += 1
      return refusals.count <= Self.mostRefusals
    }
    guard isTold else { return }
    logger.notice(
      "a caller was turned away",
      metadata: ["from": "\(channel.remoteAddress?.description ?? "?")", "why": "\(error)"])
  }
}
