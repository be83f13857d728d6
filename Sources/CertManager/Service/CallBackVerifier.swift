// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Foundation
import JSONRPC
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import SwiftASN1
import X509

/// Calls agents back that have got their first certificate for a token: whoever has stolen the token has the certificate, and is not there.
///
/// A TLS handshake at the agent's address proves who has the key. Without it in time the certificate is revoked.
actor CallBackVerifier {
  private let store: AuthorityStore
  private let group: any EventLoopGroup
  private let logger: Logger
  private var worker: Task<Void, Never>?
  private var watcher: Task<Void, Never>?

  static let protocolName = "nodeagent-callback/1"
  private static let pause: Duration = .seconds(1)
  private static let glance: Duration = .seconds(15)
  private static let patience: Int64 = 5

  init(store: AuthorityStore, group: any EventLoopGroup, logger: Logger) {
    self.store = store
    self.group = group
    self.logger = logger
  }

  /// Looks now and then, too, whether somebody was let in by another process.
  func watch() {
    watcher = Task {
      while !Task.isCancelled {
        self.wake()
        try? await Task.sleep(for: Self.glance)
      }
    }
  }

  /// Looks whether anybody is to be called, and goes on until nobody is.
  func wake() {
    guard worker == nil else { return }
    worker = Task {
      while !Task.isCancelled, await self.round() { try? await Task.sleep(for: Self.pause) }
      self.rest()
    }
  }

  func stop() {
    watcher?.cancel()
    worker?.cancel()
  }

  private func rest() { worker = nil }

  /// - Returns: false when nobody is left.
  private func round() async -> Bool {
    do {
      let (store, pending) = try await Blocking.run { [store] in (store, try store.ledger.pendingCallBacks()) }
      guard !pending.isEmpty else { return false }
      await withTaskGroup(of: Void.self) { group in
        for one in pending { group.addTask { await self.settle(one, store) } }
      }
    } catch {
      logger.error("agents cannot be called back", metadata: ["error": "\(error)"])
    }
    return true
  }

  private func settle(_ one: Ledger.PendingCallBack, _ store: AuthorityStore) async {
    var problem: String?
    do {
      try await prove(one)
      logger.info("called back", metadata: ["serial": "\(one.serial)", "endpoint": "\(one.endpoint)"])
    } catch {
      guard one.until <= Date() else { return }
      problem = "\(error)"
      logger.warning(
        "not called back in time: the certificate is revoked",
        metadata: ["serial": "\(one.serial)", "endpoint": "\(one.endpoint)", "error": "\(error)"])
    }
    do {
      try await Blocking.run { [problem] in try store.ledger.settle(one, problem: problem) }
    } catch {
      logger.error("a call-back cannot be written down", metadata: ["error": "\(error)"])
    }
  }

  private func prove(_ one: Ledger.PendingCallBack) async throws {
    guard let place = HostAndPort(one.endpoint) else {
      throw CertificateProblem.unusable("\(one.endpoint) is not HOST:PORT")
    }
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    var coder = DER.Serializer()
    try coder.serialize(store.authority.root)
    configuration.trustRoots = .certificates([try NIOSSLCertificate(bytes: coder.serializedBytes, format: .der)])
    configuration.certificateVerification = .noHostnameVerification
    configuration.applicationProtocols = [Self.protocolName]
    let context = try NIOSSLContext(configuration: configuration)
    let loop = group.next()
    let shown = loop.makePromise(of: [UInt8].self)
    let channel: any Channel
    do {
      channel = try await ClientBootstrap(group: loop).connectTimeout(.seconds(Self.patience))
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandlers([
              try NIOSSLClientHandler(context: context, serverHostname: nil), Looker(shown),
            ])
          }
        }
        .connect(host: place.host, port: Int(place.port)).get()
    } catch {
      shown.fail(error)
      throw error
    }
    let timer = loop.scheduleTask(in: .seconds(Self.patience)) { shown.fail(ChannelError.connectTimeout(.zero)) }
    defer {
      timer.cancel()
      channel.close(promise: nil)
    }
    let certificate = try Certificate(derEncoded: try await shown.futureResult.get())
    guard Ledger.hexadecimal(certificate.serialNumber) == one.serial else {
      throw CertificateProblem.refused("\(one.endpoint) has shown another certificate")
    }
  }

  private final class Looker: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let shown: EventLoopPromise<[UInt8]>

    init(_ shown: EventLoopPromise<[UInt8]>) { self.shown = shown }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      guard case .handshakeCompleted? = event as? TLSUserEvent else { return }
      shown.completeWith(
        Result {
          let tls = try context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
          guard let bytes = try tls.peerCertificate?.toDERBytes() else {
            throw CertificateProblem.refused("no certificate was shown")
          }
          return bytes
        })
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      shown.fail(error)
      context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
      shown.fail(CertificateProblem.unusable("the connection was closed"))
    }
  }
}
