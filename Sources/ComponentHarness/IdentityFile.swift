// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// The files of an identity, each a part of its text.
enum IdentityFile: UInt64, CaseIterable {
  /// The private key (PKCS #8).
  case key = 2
  /// The certificate and the intermediate, as servers send them (RFC 8446, 4.4.2).
  case certificate = 3
  /// The root.
  case authority = 4
  /// All of it.
  case everything = 5

  var name: String {
    switch self {
    case .key: "tls.key"
    case .certificate: "tls.crt"
    case .authority: "ca.crt"
    case .everything: "identity.pem"
    }
  }

  init?(name: UnsafePointer<CChar>) {
    let text = String(cString: name)
    guard let file = Self.allCases.first(where: { $0.name == text }) else { return nil }
    self = file
  }

  /// The key and its certificate, of which one is no good with another's other.
  var isOfPair: Bool { self == .key || self == .certificate }

  var isSecret: Bool { self == .key || self == .everything }

  /// The file's part of the whole: PEM blocks (RFC 7468), the key first, the root last.
  func part(of text: UnsafeRawBufferPointer) -> Range<Int> {
    let blocks = Self.blocks(of: text)
    guard let first = blocks.first, let last = blocks.last else { return 0..<0 }
    switch self {
    case .everything: return 0..<text.count
    case .key: return first
    case .certificate: return blocks.count > 2 ? first.upperBound..<last.lowerBound : first.upperBound..<last.upperBound
    case .authority: return blocks.count > 2 ? last : last.upperBound..<last.upperBound
    }
  }

  /// Each from its first line to behind its last one's end.
  private static func blocks(of text: UnsafeRawBufferPointer) -> [Range<Int>] {
    var blocks: [Range<Int>] = []
    var start = 0
    var line = 0
    for index in text.indices where text[index] == 0x0a {
      if Self.begins(text, at: line, with: "-----END ") {
        blocks.append(start..<index + 1)
        start = index + 1
      }
      line = index + 1
    }
    return blocks
  }

  private static func begins(_ text: UnsafeRawBufferPointer, at position: Int, with prefix: StaticString) -> Bool {
    guard position + prefix.utf8CodeUnitCount <= text.count else { return false }
    return (0..<prefix.utf8CodeUnitCount).allSatisfy { text[position + $0] == prefix.utf8Start[$0] }
  }
}
