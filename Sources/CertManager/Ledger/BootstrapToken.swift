// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Crypto

/// What a new agent shows to get its first certificate: 256 random bits, good once. Only its hash is kept.
public struct BootstrapToken: Sendable {
  /// `na1.` and 52 letters and digits (RFC 4648 base 32, small).
  public let text: String

  private static let prefix = "na1."
  private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

  public init() {
    let key = SymmetricKey(size: .bits256)
    text = Self.prefix + key.withUnsafeBytes { Self.base32(Array($0)) }
  }

  /// `nil` where it is no token.
  public init?(_ text: String) {
    guard text.hasPrefix(Self.prefix), text.utf8.count == Self.prefix.utf8.count + 52,
      text.utf8.dropFirst(Self.prefix.utf8.count).allSatisfy({ Self.alphabet.contains($0) })
    else { return nil }
    self.text = text
  }

  /// Its name in the ledger. The token has too many bits to be guessed from it, so that no salt is needed.
  var hash: [UInt8] { Array(SHA256.hash(data: Array(text.utf8))) }

  private static func base32(_ bytes: [UInt8]) -> String {
    var (buffer, bits) = (0, 0)
    var digits: [UInt8] = []
    for byte in bytes {
      buffer = buffer << 8 | Int(byte)
      bits += 8
      while bits >= 5 {
        digits.append(alphabet[buffer >> (bits - 5) & 31])
        bits -= 5
      }
      buffer &= (1 << bits) - 1
    }
    if bits > 0 { digits.append(alphabet[buffer << (5 - bits) & 31]) }
    return String(decoding: digits, as: UTF8.self)
  }
}

/// What a token is good for.
public struct TokenGrant: Sendable, Hashable, Codable {
  public var node: String
  public var subsystem: String
  public var capabilities: AgentCapabilities
  public init(node: String, subsystem: String, capabilities: AgentCapabilities) {
    self.node = node
    self.subsystem = subsystem
    self.capabilities = capabilities
  }
}
