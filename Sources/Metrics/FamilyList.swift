// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The families of a file whose keys name them, such as meminfo: in the file's order, so that a known key is found without
/// a copy.
struct FamilyList {
  private var known: [(key: [UInt8], family: FamilyID?)] = []
  private var expected = 0

  mutating func begin() { expected = 0 }

  /// The family for a key; `make` is asked once for each, and may decline.
  mutating func find(
    _ bytes: Span<UInt8>, _ key: Range<Int>, after prefix: Range<Int> = 0..<0, make: (String) -> FamilyID?
  ) -> FamilyID? {
    if expected < known.count, matches(expected, bytes, prefix, key) {
      expected += 1
      return known[expected - 1].family
    }
    if let place = known.indices.first(where: { matches($0, bytes, prefix, key) }) {
      expected = place + 1
      return known[place].family
    }
    let name = ByteScanner.text(bytes, prefix) + ByteScanner.text(bytes, key)
    let family = make(name)
    // A file with endless new keys is not one of these.
    if known.count < 2000 { known.append((Array(name.utf8), family)) }
    expected = known.count
    return family
  }

  private func matches(_ place: Int, _ bytes: Span<UInt8>, _ prefix: Range<Int>, _ key: Range<Int>) -> Bool {
    let name = known[place].key
    guard name.count == prefix.count + key.count else { return false }
    for (offset, index) in prefix.enumerated() where name[offset] != bytes[index] { return false }
    for (offset, index) in key.enumerated() where name[prefix.count + offset] != bytes[index] { return false }
    return true
  }

  /// A name without what may not be in a metric's (data model of Prometheus).
  static func sanitized(_ name: String) -> String {
    String(
      decoding: name.utf8.map { byte in
        switch byte {
        case 48...57, 65...90, 97...122, 95: byte
        default: UInt8(ascii: "_")
        }
      }, as: UTF8.self)
  }
}
