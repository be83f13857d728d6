// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import NIOCore

/// DNS messages on a stream: each behind its length in two bytes (RFC 1035 §4.2.2).
struct DNSFrames: ByteToMessageDecoder {
  typealias InboundOut = ByteBuffer

  mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
    guard let frame = buffer.readLengthPrefixedSlice(as: UInt16.self) else { return .needMoreData }
    context.fireChannelRead(wrapInboundOut(frame))
    return .continue
  }

  mutating func decodeLast(context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool) throws
    -> DecodingState
  {
    // A message that was cut off is nobody's.
    try decode(context: context, buffer: &buffer)
  }

  /// A message as it is sent.
  static func frame(_ message: [UInt8]) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writeInteger(UInt16(clamping: message.count))
    buffer.writeBytes(message.prefix(Int(UInt16.max)))
    return buffer
  }
}
