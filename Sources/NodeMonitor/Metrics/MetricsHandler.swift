// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Metrics
import NIOCore
import NIOHTTP1

/// Answers the requests of one connection, one after the other.
final class MetricsHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let expose: @Sendable (Exposition) async -> [UInt8]
  private var head: HTTPRequestHead?
  private var bodyBytes = 0

  /// Nothing here is asked for by a body.
  private static let mostBodyBytes = 64 << 10

  init(_ expose: @escaping @Sendable (Exposition) async -> [UInt8]) { self.expose = expose }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      bodyBytes = 0
    case .body(let part):
      bodyBytes += part.readableBytes
      if bodyBytes > Self.mostBodyBytes { context.close(promise: nil) }
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
    let path = Self.path(head.uri)
    guard head.method == .GET || head.method == .HEAD else {
      return write(
        context, head, .methodNotAllowed, "text/plain; charset=utf-8",
        Array("only GET and HEAD are served here\n".utf8),
        ("allow", "GET, HEAD"))
    }
    switch path {
    case "/metrics": break
    case "/":
      return write(context, head, .ok, "text/html; charset=utf-8", Array(Self.page.utf8))
    default:
      return write(
        context, head, .notFound, "text/plain; charset=utf-8", Array("there is only /metrics here\n".utf8))
    }
    let format = Exposition(accepting: head.headers[canonicalForm: "accept"].joined(separator: ","))
    let expose = expose
    let promise = context.eventLoop.makePromise(of: [UInt8].self)
    promise.completeWithTask { await expose(format) }
    let own = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    promise.futureResult.whenSuccess { text in
      let (handler, context) = own.value
      handler.write(context, head, .ok, format.contentType, text)
    }
  }

  /// Without its query. Every server has to take the absolute form, too, which is meant for proxies (RFC 9112, 3.2.2).
  static func path(_ target: String) -> String {
    var rest = target[...]
    if let scheme = rest.firstRange(of: "://"), rest[..<scheme.lowerBound].allSatisfy({ $0.isASCII && $0.isLetter }) {
      rest = rest[scheme.upperBound...].drop { $0 != "/" && $0 != "?" }
    }
    let path = rest.prefix { $0 != "?" }
    return path.isEmpty ? "/" : String(path)
  }

  private static let page = """
    <!DOCTYPE html>
    <html lang="en"><head><title>nodeagent</title></head>
    <body><h1>nodeagent</h1><p><a href="/metrics">Metrics</a></p></body></html>

    """

  private func write(
    _ context: ChannelHandlerContext, _ request: HTTPRequestHead, _ status: HTTPResponseStatus, _ type: String,
    _ text: [UInt8], _ more: (String, String)...
  ) {
    var headers = HTTPHeaders([("content-type", type), ("content-length", "\(text.count)"), ("vary", "Accept")])
    for (name, value) in more { headers.add(name: name, value: value) }
    if !request.isKeepAlive { headers.add(name: "connection", value: "close") }
    context.write(
      wrapOutboundOut(.head(.init(version: request.version, status: status, headers: headers))), promise: nil)
    if request.method != .HEAD {
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: text)))), promise: nil)
    }
    let done = context.eventLoop.makePromise(of: Void.self)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
    guard !request.isKeepAlive else { return }
    let channel = context.channel
    done.futureResult.whenComplete { _ in channel.close(promise: nil) }
  }
}
