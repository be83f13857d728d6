// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The text of a kernel file, in room that is used again for the next.
struct KernelText: Sendable {
  private(set) var bytes: [UInt8] = Array(repeating: 0, count: 16 << 10)
  private(set) var count = 0

  var all: Range<Int> { 0..<count }
  var scanner: ByteScanner { ByteScanner(all) }

  init() {}
  init(_ text: String) {
    bytes = Array(text.utf8)
    count = bytes.count
  }

  mutating func clear() { count = 0 }

  /// Has `read` fill the room behind what is there; it returns how many bytes it wrote, or less than 0.
  mutating func append(_ read: (UnsafeMutableRawBufferPointer, _ offset: Int) -> Int) -> Int {
    if bytes.count - count < 4096 { bytes.append(contentsOf: repeatElement(0, count: bytes.count)) }
    let start = count
    let added = bytes.withUnsafeMutableBytes { read(.init(rebasing: $0[start...]), start) }
    count += max(0, min(added, bytes.count - start))
    return added
  }
}
