// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// RFC 4648 §6 with small letters and without padding.
public enum Base32 {
  private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

  public static func encode(_ bytes: [UInt8]) -> String {
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

  /// True for what ``encode(_:)`` makes of 32 bytes, as far as its letters tell.
  public static func isKeySized(_ text: some StringProtocol) -> Bool {
    text.utf8.count == 52 && text.utf8.allSatisfy { alphabet.contains($0) }
  }
}
