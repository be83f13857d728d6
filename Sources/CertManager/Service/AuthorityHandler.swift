// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Reads the requests of one connection, and has each answered away from the event loop, since the ledger's disk takes its time.
final class AuthorityHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let api: AuthorityAPI
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []

  private static let mostBytes = 64 << 10

  init(_ api: AuthorityAPI) { self.api = api }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = []
    case .body(let part):
      guard body.count + part.readableBytes <= Self.mostBytes else { return context.close(promise: nil) }
      body.append(contentsOf: part.readableBytesView)
    case .end:
      guard let head else { return }
      self.head = nil
      answer(head, context)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is IdleStateHandler.IdleStateEvent { return context.close(promise: nil) }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    let secure = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
    let words = head.headers["authorization"].first?.split(separator: " ", maxSplits: 1) ?? []
    let request = AuthorityAPI.Request(
      method: head.method, path: String(head.uri.prefix { $0 != "?" }),
      bearer: words.count == 2 && words[0].lowercased() == "bearer" ? String(words[1]) : nil, body: body,
      client: try? secure?.peerCertificate?.toDERBytes(), isSecure: secure != nil)
    body = []
    let answered = NIOThreadPool.singleton.runIfActive(eventLoop: context.eventLoop) { [api] in api.answer(request) }
    let own = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    answered.whenSuccess { answer in
      let (handler, context) = own.value
      handler.write(answer, head, context)
    }
  }

  private func write(_ answer: AuthorityAnswer, _ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
    var headers = HTTPHeaders([("content-type", answer.type), ("content-length", "\(answer.body.count)")])
    if !request.isKeepAlive { headers.add(name: "connection", value: "close") }
    context.write(
      wrapOutboundOut(.head(.init(version: request.version, status: answer.status, headers: headers))), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
    let done = context.eventLoop.makePromise(of: Void.self)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    guard !request.isKeepAlive else { return }
    let channel = context.channel
    done.futureResult.whenComplete { _ in channel.close(promise: nil) }
  }
}
