// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import NIOCore
import Synchronization

/// Cuts what a peer sends into lines. One that is too long is thrown away as it comes.
struct LineCutter {
  enum Line {
    case whole([UInt8])
    case tooLong
  }

  /// Has the limits, and the count of what all its connections keep.
  private let server: RPCServer
  private var partial = ByteBuffer()
  private var discarding = false

  init(_ server: RPCServer) { self.server = server }

  var isBetweenLines: Bool { partial.readableBytes == 0 && !discarding }

  /// The next line of `part`, which is taken from it; `nil` when it has no more. What is left is kept for the next part.
  mutating func next(_ part: inout ByteBuffer) -> Line? {
    while part.readableBytes > 0 {
      let view = part.readableBytesView
      guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else { return keep(&part) }
      let count = end - view.startIndex
      guard var line = part.readSlice(length: count) else { return nil }
      part.moveReaderIndex(forwardBy: 1)
      if discarding {
        discarding = false
        continue
      }
      guard partial.readableBytes + count <= server.limits.line else {
        forget()
        return .tooLong
      }
      guard partial.readableBytes > 0 else { return .whole(Array(line.readableBytesView)) }
      var whole = partial
      whole.writeBuffer(&line)
      forget()
      return .whole(Array(whole.readableBytesView))
    }
    return nil
  }

  /// Keeps the beginning of a line, unless it is too long already.
  private mutating func keep(_ part: inout ByteBuffer) -> Line? {
    let count = part.readableBytes
    defer { part.clear() }
    if discarding { return nil }
    let total = server.unfinishedBytes.add(count, ordering: .relaxed).newValue
    if partial.readableBytes + count > server.limits.line || total > server.limits.unfinished {
      server.unfinishedBytes.subtract(count, ordering: .relaxed)
      forget()
      discarding = true
      return .tooLong
    }
    partial.writeBuffer(&part)
    return nil
  }

  /// Nothing more will come.
  mutating func forget() {
    server.unfinishedBytes.subtract(partial.readableBytes, ordering: .relaxed)
    partial = ByteBuffer()
  }
}
