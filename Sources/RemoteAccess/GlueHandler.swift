// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import NIOCore

/// Carries bytes from its channel to another one of the same event loop, no faster than that takes them. Two of them make a connection through.
final class GlueHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private var partner: GlueHandler?
  private var context: ChannelHandlerContext?
  private var wantsRead = false

  static func pair() -> (GlueHandler, GlueHandler) {
    let (first, second) = (GlueHandler(), GlueHandler())
    first.partner = second
    second.partner = first
    return (first, second)
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    partner = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    partner?.context?.write(wrapOutboundOut(unwrapInboundIn(data)), promise: nil)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    partner?.context?.flush()
    context.fireChannelReadComplete()
  }

  func channelInactive(context: ChannelHandlerContext) {
    // What was written before goes out first.
    partner?.context?.close(mode: .all, promise: nil)
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { partner?.context?.close(mode: .output, promise: nil) }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { partner?.readAgain() }
    context.fireChannelWritabilityChanged()
  }

  func read(context: ChannelHandlerContext) {
    if partner?.context?.channel.isWritable ?? false {
      context.read()
    } else {
      wantsRead = true
    }
  }

  private func readAgain() {
    guard wantsRead else { return }
    wantsRead = false
    context?.read()
  }
}
