// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import X509

/// Serves an authority over HTTPS (TLS 1.3), and what everybody may know over HTTP: the list, the answers, and the chain.
public final class AuthorityServer: Sendable {
  private let api: AuthorityAPI
  private let logger: Logger
  private let group: any EventLoopGroup
  private let connections = Atomic<Int>(0)
  private let channels = Mutex<[any Channel]>([])
  private let verifier: CallBackVerifier

  private static let mostConnections = 512
  private static let idleSeconds: Int64 = 30

  public init(
    store: AuthorityStore, logger: Logger, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) {
    let verifier = CallBackVerifier(store: store, group: group, logger: logger)
    self.verifier = verifier
    api = AuthorityAPI(store: store, logger: logger) { Task { await verifier.wake() } }
    self.logger = logger
    self.group = group
  }

  /// Serves HTTPS.
  ///
  /// - Parameter host: the name that clients know it by, in its certificate.
  /// - Returns: the port.
  @discardableResult
  public func start(_ address: String, port: Int, host: String) async throws -> Int {
    let context = Mutex(try Self.context(api.store, host))
    // Those that an earlier server has not come to call.
    await verifier.watch()
    keepKeys()
    let renewing = Task { [self] in
      while !Task.isCancelled {
        // Half of its life.
        try await Task.sleep(for: .seconds(CertificateAuthority.usualLife / 2))
        keepKeys()
        do {
          let next = try Self.context(api.store, host)
          context.withLock { $0 = next }
        } catch {
          logger.error("the server's own certificate was not renewed", metadata: ["error": "\(error)"])
        }
      }
    }
    let port = try await serve(address, port) { channel in
      try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context.withLock { $0 }))
    }
    channels.withLock { $0.last?.closeFuture.whenComplete { _ in renewing.cancel() } }
    return port
  }

  /// The root's key is not here: people make the next intermediate.
  private func keepKeys() {
    do {
      try api.store.forgetRetired()
    } catch {
      logger.error("the key of an intermediate that is over is still there", metadata: ["error": "\(error)"])
    }
    guard api.store.isIntermediateEnding() else { return }
    logger.warning(
      "the intermediate will end; nodeagent ca intermediate makes the next",
      metadata: ["ends": "\(api.store.authority.intermediate.notValidAfter)"])
  }

  /// Serves what needs no secrecy, over HTTP: a list that is signed may be fetched by anybody, and has to be before TLS can be.
  @discardableResult
  public func startPlain(_ address: String, port: Int) async throws -> Int { try await serve(address, port) { _ in } }

  private func serve(_ address: String, _ port: Int, _ secure: @escaping @Sendable (any Channel) throws -> Void)
    async throws
    -> Int
  {
    let channel = try await ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { [self] channel in
        guard connections.wrappingAdd(1, ordering: .relaxed).newValue <= Self.mostConnections else {
          connections.wrappingSubtract(1, ordering: .relaxed)
          return channel.close()
        }
        channel.closeFuture.whenComplete { [self] _ in connections.wrappingSubtract(1, ordering: .relaxed) }
        return channel.eventLoop.makeCompletedFuture { [self] in
          try channel.pipeline.syncOperations.addHandler(IdleStateHandler(allTimeout: .seconds(Self.idleSeconds)))
          try secure(channel)
          try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
          try channel.pipeline.syncOperations.addHandler(AuthorityHandler(api))
        }
      }
      .bind(host: address, port: port).get()
    channels.withLock { $0.append(channel) }
    return channel.localAddress?.port ?? port
  }

  public func stop() async {
    await verifier.stop()
    let all = channels.withLock { channels in
      defer { channels = [] }
      return channels
    }
    // One that is closed already is what is wanted.
    for channel in all { try? await channel.close().get() }
  }

  /// True for `HOST:PORT`, as an agent can be called back.
  public static func isCallBack(_ text: String) -> Bool { HostAndPort(text) != nil }

  /// A certificate for the server itself, of a key that only lives here.
  private static func context(_ store: AuthorityStore, _ host: String) throws -> NIOSSLContext {
    let key = try KeyKind.p256.generate()
    let certificate = try store.issueServer(host, key.publicKey)
    let chain = try [certificate] + store.chain(of: certificate)
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try chain.map {
        .certificate(try NIOSSLCertificate(bytes: Array(try $0.serializeAsPEM().pemString.utf8), format: .pem))
      },
      privateKey: .privateKey(
        try NIOSSLPrivateKey(bytes: Array(try key.serializeAsPEM().pemString.utf8), format: .pem)))
    configuration.minimumTLSVersion = .tlsv13
    configuration.trustRoots = .certificates([
      try NIOSSLCertificate(bytes: Array(try store.authority.root.serializeAsPEM().pemString.utf8), format: .pem)
    ])
    // A new agent has none yet; one that is shown has to be good.
    configuration.certificateVerification = .optionalVerification
    return try NIOSSLContext(configuration: configuration)
  }
}
