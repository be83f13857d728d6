// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import NIOCore
import NIOPosix

/// Asks the host's own resolvers what is not ours to answer.
///
/// Each query has a socket, and so a port, and an id of its own: a forged answer has to guess both (RFC 5452).
struct NameForwarder: Sendable {
  private let group: any EventLoopGroup
  private let servers: @Sendable () -> [SocketAddress]

  /// Of one server; then the next is asked.
  private let patience: TimeAmount

  init(
    group: any EventLoopGroup, patience: TimeAmount = .seconds(3),
    servers: @escaping @Sendable () -> [SocketAddress] = NameForwarder.hostServers
  ) {
    self.group = group
    self.patience = patience
    self.servers = servers
  }

  /// Those of `/etc/resolv.conf` (resolv.conf(5)), at most three.
  @Sendable static func hostServers() -> [SocketAddress] {
    let text = (try? FileSystem.readText("/etc/resolv.conf", limit: 64 << 10)) ?? ""
    return text.split(separator: "\n").compactMap { line -> SocketAddress? in
      let words = line.split(whereSeparator: \.isWhitespace)
      guard words.count > 1, words[0] == "nameserver" else { return nil }
      return try? SocketAddress(ipAddress: String(words[1]), port: 53)
    }.prefix(3).map { $0 }
  }

  /// The answer, with the query's id; `nil` when nobody answers.
  ///
  /// - Parameter overStream: by TCP, which has room for long answers.
  func ask(_ query: [UInt8], overStream: Bool = false) async -> [UInt8]? {
    for server in servers() {
      let id = UInt16.random(in: 0 ... .max)
      var sent = query
      sent.replaceSubrange(0..<2, with: DNSAnswer.word(id))
      if let answer = overStream ? await askOverStream(sent, server) : await askByDatagram(sent, server) {
        return Array(query.prefix(2)) + answer.dropFirst(2)
      }
    }
    return nil
  }

  private func askOverStream(_ message: [UInt8], _ server: SocketAddress) async -> [UInt8]? {
    do {
      let stream = try await ClientBootstrap(group: group).connectTimeout(patience).connect(to: server) {
        channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers([
            IdleStateHandler(allTimeout: patience), IdleCloser(), ByteToMessageHandler(DNSFrames()),
          ])
          return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
      return try await stream.executeThenClose { answers, queries in
        try await queries.write(DNSFrames.frame(message))
        for try await answer in answers {
          let bytes = Array(answer.readableBytesView)
          if Self.isAnswer(bytes, to: message) { return bytes }
        }
        return nil
      }
    } catch {
      return nil
    }
  }

  private func askByDatagram(_ message: [UInt8], _ server: SocketAddress) async -> [UInt8]? {
    let promise = group.next().makePromise(of: [UInt8]?.self)
    let loop = promise.futureResult.eventLoop
    do {
      let channel = try await DatagramBootstrap(group: loop)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(Reader(server: server, sent: message, promise: promise))
          }
        }
        .bind(to: try SocketAddress(ipAddress: server.protocol == .inet6 ? "::" : "0.0.0.0", port: 0)).get()
      let timer = loop.scheduleTask(in: patience) { promise.succeed(nil) }
      let envelope = AddressedEnvelope(remoteAddress: server, data: ByteBuffer(bytes: message))
      channel.writeAndFlush(envelope).cascadeFailure(to: promise)
      let answer = try? await promise.futureResult.get()
      timer.cancel()
      channel.close(promise: nil)
      return answer ?? nil
    } catch {
      promise.succeed(nil)
      return nil
    }
  }

  /// Takes the first answer that is one to this query.
  private final class Reader: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let server: SocketAddress
    private let sent: [UInt8]
    private let promise: EventLoopPromise<[UInt8]?>

    init(server: SocketAddress, sent: [UInt8], promise: EventLoopPromise<[UInt8]?>) {
      self.server = server
      self.sent = sent
      self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let envelope = unwrapInboundIn(data)
      let bytes = Array(envelope.data.readableBytesView)
      guard envelope.remoteAddress == server, NameForwarder.isAnswer(bytes, to: sent) else { return }
      promise.succeed(bytes)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.succeed(nil) }
  }

  /// True for a response with the same id and question.
  static func isAnswer(_ bytes: [UInt8], to sent: [UInt8]) -> Bool {
    guard bytes.count >= 12, bytes.prefix(2) == sent.prefix(2), bytes[2] & 0x80 != 0, let query = try? DNSQuery(sent)
    else { return false }
    // A server may leave the question out where it refuses.
    if bytes[4] == 0, bytes[5] == 0 { return bytes[3] & 0x0f != 0 }
    var asked = bytes
    asked[2] &= 0x07
    guard let other = try? DNSQuery(asked) else { return false }
    return other.name == query.name && other.type == query.type && other.recordClass == query.recordClass
  }
}
