// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A query as a client sent it (RFC 1035 §4.1): one question; what else comes with it is passed over.
struct DNSQuery: Sendable, Equatable {
  /// Why it cannot be answered as asked.
  enum Problem: Error, Equatable {
    /// It is not even worth an answer: too short, or an answer itself.
    case silent
    /// With the response code (RFC 1035 §4.1.1).
    case refused(code: UInt8)
  }

  let id: UInt16
  let recursionDesired: Bool
  /// In small letters, without the dot at the end.
  let name: String
  let type: UInt16
  let recordClass: UInt16
  /// The question as it stands in the message.
  let question: [UInt8]

  static let formatError: UInt8 = 1
  static let notImplemented: UInt8 = 4

  init(_ bytes: [UInt8]) throws(Problem) {
    guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { throw .silent }
    guard bytes[2] & 0x78 == 0 else { throw .refused(code: Self.notImplemented) }
    id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
    recursionDesired = bytes[2] & 1 == 1
    guard bytes[4] == 0, bytes[5] == 1 else { throw .refused(code: Self.formatError) }
    var place = 12
    var labels: [String] = []
    var length = 0
    while true {
      guard place < bytes.count else { throw .refused(code: Self.formatError) }
      let count = Int(bytes[place])
      place += 1
      if count == 0 { break }
      // Pointers have no place in a question; a name is at most 255 bytes.
      length += count + 1
      guard count < 64, place + count <= bytes.count, length < 255 else { throw .refused(code: Self.formatError) }
      labels.append(
        String(
          decoding: bytes[place..<(place + count)].map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self))
      place += count
    }
    guard place + 4 <= bytes.count else { throw .refused(code: Self.formatError) }
    name = labels.joined(separator: ".")
    type = UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1])
    recordClass = UInt16(bytes[place + 2]) << 8 | UInt16(bytes[place + 3])
    question = Array(bytes[12..<(place + 4)])
  }
}
