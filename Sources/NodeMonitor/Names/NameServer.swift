// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The DNS server of the containers' bridge: answers their names, and asks the host's resolvers for the rest.
final class NameServer: Sendable {
  private let table = Mutex(NameTable())
  private let forwarder: NameForwarder
  private let group: any EventLoopGroup
  private let logger: Logger
  /// Queries that others are asked about now.
  private let asking = Mutex(0)

  private static let mostAsking = 256

  init(group: any EventLoopGroup, logger: Logger, forwarder: NameForwarder? = nil) {
    self.group = group
    self.logger = logger
    self.forwarder = forwarder ?? NameForwarder(group: group)
  }

  func assign(_ names: NameMethods.Names) {
    let next = NameTable(names)
    table.withLock { $0 = next }
  }

  /// Serves on a bound socket, which is this call's to close.
  func start(_ socket: consuming Descriptor) async throws {
    let descriptor = socket.take()
    _ = try await DatagramBootstrap(group: group)
      .channelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Handler(server: self))
        }
      }
      .withBoundSocket(descriptor).get()
  }

  /// What is answered at once: `nil` where others have to be asked, an empty answer where nothing is said.
  func answer(_ bytes: [UInt8]) -> [UInt8]? {
    let query: DNSQuery
    do {
      query = try DNSQuery(bytes)
    } catch {
      switch error {
      case .silent: return []
      case .refused(let code): return DNSAnswer.refusal(to: bytes, code: code)
      }
    }
    switch table.withLock({ $0 }).look(query) {
    case .records(let records): return DNSAnswer.bytes(query, records)
    case .noSuchName: return DNSAnswer.bytes(query, [], code: DNSAnswer.noSuchName)
    case .notOurs: return nil
    }
  }

  /// What is answered on a connection, in which answers may be long; empty where nothing is said.
  func answer(overStream bytes: [UInt8]) async -> [UInt8] {
    if let answer = answer(bytes) { return answer }
    return await ask(bytes, overStream: true)
  }

  /// What somebody else says.
  fileprivate func ask(_ bytes: [UInt8], overStream: Bool = false) async -> [UInt8] {
    let isRoom = asking.withLock { asking in
      guard asking < Self.mostAsking else { return false }
      asking += 1
      return true
    }
    guard isRoom else { return DNSAnswer.refusal(to: bytes, code: DNSAnswer.serverFailure) }
    defer { asking.withLock { $0 -= 1 } }
    return await forwarder.ask(bytes, overStream: overStream)
      ?? DNSAnswer.refusal(to: bytes, code: DNSAnswer.serverFailure)
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>
    private let server: NameServer

    init(server: NameServer) { self.server = server }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let envelope = unwrapInboundIn(data)
      let bytes = Array(envelope.data.readableBytesView)
      let channel = context.channel
      let client = envelope.remoteAddress
      if let answer = server.answer(bytes) {
        guard !answer.isEmpty else { return }
        return channel.writeAndFlush(
          AddressedEnvelope(remoteAddress: client, data: ByteBuffer(bytes: answer)), promise: nil)
      }
      Task { [server] in
        let answer = await server.ask(bytes)
        channel.writeAndFlush(
          AddressedEnvelope(remoteAddress: client, data: ByteBuffer(bytes: answer)), promise: nil)
      }
    }

    // A client that is gone is no reason to stop (ICMP errors come up here).
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
  }
}
