// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The /16 network from which an instance's containers get their addresses.
struct IPv4Pool: Sendable, Equatable {
  /// The second number: `10.second.0.0/16`.
  let second: UInt8

  var text: String { "10.\(second).0.0/16" }
  /// The bridge's own address, which is the containers' gateway.
  var gateway: String { "10.\(second).0.1" }

  func address(slot: Int) -> String {
    let number = slot + 1
    return "10.\(second).\(number >> 8).\(number & 255)"
  }

  /// The interface's hardware address, locally administered: the same at each start, since the node remembers for a while
  /// at which one it has found an IP address.
  func hardwareAddress(slot: Int) -> [UInt8] {
    [0x02, 0x6e, 0x61, second, UInt8(slot >> 8 & 255), UInt8(slot & 255)]
  }

  /// True when a route of the host leads into the pool; `table` is `/proc/net/route` (proc(5)), whose numbers are
  /// little-endian hexadecimal.
  func overlaps(routeTable table: String) -> Bool {
    let own: UInt32 = 10 << 24 | UInt32(second) << 16
    for line in table.split(separator: "\n").dropFirst() {
      let fields = line.split(whereSeparator: \.isWhitespace)
      guard fields.count > 7, let destination = UInt32(fields[1], radix: 16), let mask = UInt32(fields[7], radix: 16)
      else { continue }
      // The default route leads everywhere and takes nothing; an instance's own bridge may be left from an earlier run.
      let isBridge = fields[0].hasPrefix("na") && UInt8(fields[0].dropFirst(2)) != nil
      if mask == 0 || isBridge { continue }
      let common = mask.byteSwapped & 0xffff_0000
      if destination.byteSwapped & common == own & common { return true }
    }
    return false
  }
}
