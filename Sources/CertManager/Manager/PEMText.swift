// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The Base64 of PEM (RFC 7468 §2), written to where it is to be and nowhere else: the libraries' own goes through strings that
/// cannot be wiped.
enum PEMText {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let line = 64

  /// With a line feed behind every 64 letters, and behind the last.
  static func size(of count: Int) -> Int {
    let letters = (count + 2) / 3 * 4
    return letters + (letters + line - 1) / line
  }

  /// - Parameter text: of the right size.
  static func encode(_ bytes: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer) {
    var (place, column) = (0, 0)
    func put(_ letter: UInt8) {
      text[place] = letter
      place += 1
      column += 1
      guard column == line else { return }
      text[place] = 0x0a
      place += 1
      column = 0
    }
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let rest = bytes.count - start
      let group =
        UInt32(bytes[start]) << 16 | (rest > 1 ? UInt32(bytes[start + 1]) << 8 : 0)
        | (rest > 2 ? UInt32(bytes[start + 2]) : 0)
      put(alphabet[Int(group >> 18 & 63)])
      put(alphabet[Int(group >> 12 & 63)])
      put(rest > 1 ? alphabet[Int(group >> 6 & 63)] : 0x3d)
      put(rest > 2 ? alphabet[Int(group & 63)] : 0x3d)
    }
    if column > 0 { text[place] = 0x0a }
  }
}
