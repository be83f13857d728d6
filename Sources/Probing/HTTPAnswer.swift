// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import NIOCore
import NIOHTTP1

/// The answer to an HTTP request, as far as a check looks at it.
public struct HTTPAnswer: Sendable, Equatable {
  public struct Field: Sendable, Equatable {
    /// In small letters.
    public var name: String
    public var value: String
  }
  public var status: Int
  public var fields: [Field]
  /// Not more than ``HTTPAnswerReader/mostBody`` bytes.
  public var body: [UInt8]
}

/// Sends the request once connected, and reads the answer; what is too long is cut, and not an error.
final class HTTPAnswerReader: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  static let mostBody = 256 << 10
  private let request: HTTPRequestHead
  private let promise: EventLoopPromise<HTTPAnswer>
  private var answer: HTTPAnswer?

  private let body: [UInt8]

  init(request: HTTPRequestHead, body: [UInt8] = [], promise: EventLoopPromise<HTTPAnswer>) {
    self.request = request
    self.body = body
    self.promise = promise
  }

  func channelActive(context: ChannelHandlerContext) {
    context.write(wrapOutboundOut(.head(request)), promise: nil)
    if !body.isEmpty { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil) }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      // 1xx: the answer proper comes after it (RFC 9110 §15.2).
      guard head.status.code >= 200 else { return }
      answer = HTTPAnswer(
        status: Int(head.status.code), fields: head.headers.map { .init(name: $0.name.lowercased(), value: $0.value) },
        body: [])
    case .body(let part):
      let room = Self.mostBody - (answer?.body.count ?? Self.mostBody)
      answer?.body += part.readableBytesView.prefix(max(0, room))
      if part.readableBytes > room { end(context) }
    case .end: if answer != nil { end(context) }
    }
  }

  private func end(_ context: ChannelHandlerContext) {
    if let answer { promise.succeed(answer) }
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    promise.fail(ProbeFailure("the connection was closed before the answer was whole"))
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    promise.fail(error)
    context.close(promise: nil)
  }
}
