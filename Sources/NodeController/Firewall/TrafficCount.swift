// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What a counter of nftables has seen.
struct TrafficCount: Hashable, Sendable {
  var packets: UInt64 = 0
  var bytes: UInt64 = 0

  static func + (left: TrafficCount, right: TrafficCount) -> TrafficCount {
    TrafficCount(packets: left.packets &+ right.packets, bytes: left.bytes &+ right.bytes)
  }

  /// The counters of a set as nft(8) lists it: `KEY counter packets N bytes M` between commas.
  static func read(_ text: String) -> [String: TrafficCount] {
    guard let start = text.firstRange(of: "elements = {"), let end = text[start.upperBound...].firstIndex(of: "}")
    else { return [:] }
    var found: [String: TrafficCount] = [:]
    for element in text[start.upperBound..<end].split(separator: ",") {
      let words = element.split(whereSeparator: \.isWhitespace)
      guard let place = words.firstIndex(of: "counter"), words.count > place + 4,
        let packets = UInt64(words[place + 2]), let bytes = UInt64(words[place + 4])
      else { continue }
      found[words[..<place].joined(separator: " ")] = TrafficCount(packets: packets, bytes: bytes)
    }
    return found
  }
}
