// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import NIOCore
import NIOHTTP1
import NIOPosix

/// A machine's metadata service, as EC2 has one.
final class MetadataStub: Sendable {
  let url: String
  private let channel: any Channel

  /// - Parameter takesTokens: version 2; without, as clouds have it that are like EC2 but for that.
  init(text: String, takesTokens: Bool) async throws {
    channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(Handler(text: text, takesTokens: takesTokens))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    url = "http://127.0.0.1:\(channel.localAddress?.port ?? 0)"
  }

  func stop() async { try? await channel.close().get() }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let text: String
    private let takesTokens: Bool

    init(text: String, takesTokens: Bool) {
      self.text = text
      self.takesTokens = takesTokens
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard case .head(let head) = unwrapInboundIn(data) else { return }
      let answer: (HTTPResponseStatus, String) =
        switch (head.method, head.uri) {
        case (.PUT, "/latest/api/token"):
          takesTokens && head.headers.contains(name: "X-aws-ec2-metadata-token-ttl-seconds")
            ? (.ok, "session") : (.notFound, "")
        case (.GET, "/latest/user-data"):
          head.headers.first(name: "X-aws-ec2-metadata-token") == (takesTokens ? "session" : nil)
            ? (.ok, text) : (.unauthorized, "")
        default: (.notFound, "")
        }
      let headers = HTTPHeaders([("content-length", "\(answer.1.utf8.count)"), ("connection", "close")])
      context.write(
        wrapOutboundOut(.head(.init(version: head.version, status: answer.0, headers: headers))), promise: nil)
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.1)))), promise: nil)
      let channel = context.channel
      context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }
  }
}
