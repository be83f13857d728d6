// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Answers as bytes (RFC 1035 §4.1).
enum DNSAnswer {
  static let serverFailure: UInt8 = 2
  static let noSuchName: UInt8 = 3

  /// A record of the answer section; its owner is the question's name.
  struct Record: Sendable, Equatable {
    var type: UInt16
    var data: [UInt8]
  }

  static let address: UInt16 = 1
  static let pointer: UInt16 = 12
  static let address6: UInt16 = 28
  static let service: UInt16 = 33
  static let any: UInt16 = 255

  /// Seconds: a container that is started anew keeps its address, and one that is gone is gone.
  private static let lifetime: UInt8 = 5

  static func bytes(_ query: DNSQuery, _ records: [Record], code: UInt8 = 0) -> [UInt8] {
    var bytes = header(
      query.id, code: code, questions: 1, answers: UInt8(records.count), wanted: query.recursionDesired)
    bytes += query.question
    for record in records {
      // The name is the question's, which begins at byte 12 (RFC 1035 §4.1.4).
      bytes += [0xc0, 12] + word(record.type) + [0, 1, 0, 0, 0, lifetime]
      bytes += word(UInt16(record.data.count)) + record.data
    }
    return bytes
  }

  /// Without the question, which may be what is wrong.
  static func refusal(to bytes: [UInt8], code: UInt8) -> [UInt8] {
    header(
      UInt16(bytes[0]) << 8 | UInt16(bytes[1]), code: code, questions: 0, answers: 0, wanted: bytes[2] & 1 == 1)
  }

  private static func header(_ id: UInt16, code: UInt8, questions: UInt8, answers: UInt8, wanted: Bool) -> [UInt8] {
    // QR and AA; RD as asked, RA.
    word(id) + [0x84 | (wanted ? 1 : 0), 0x80 | code, 0, questions, 0, answers, 0, 0, 0, 0]
  }

  static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

  /// A name uncompressed; labels are at most 63 bytes, as containers' names and the domain are.
  static func name(_ text: String) -> [UInt8] {
    text.split(separator: ".").flatMap { [UInt8(min(63, $0.utf8.count))] + Array($0.utf8.prefix(63)) } + [0]
  }
}
