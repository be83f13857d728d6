// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The networks from which an instance's containers get their addresses. A container's place in them is its slot, for as long as
/// it exists.
struct NetworkPool: Sendable, Equatable {
  let ipv4: IPNetwork
  /// `nil` where containers have no IPv6.
  let ipv6: IPNetwork?
  /// The instance's, for hardware addresses: several agents may be on one link.
  let number: UInt8

  /// What an instance has whose administrator says nothing: `10.(128 + number).0.0/16`.
  static func standard(_ number: UInt8) -> IPNetwork { IPNetwork("10.\(128 + number).0.0/16")! }

  /// The bridge's own address, which is the containers' gateway.
  var gateway: String { ipv4.address(1) }
  var gateway6: String? { ipv6?.address(1) }

  /// `nil` where the pool is too small for it.
  func address(slot: Int) -> String? { slot + 2 < ipv4.size ? ipv4.address(slot + 1) : nil }
  func address6(slot: Int) -> String? { ipv6?.address(slot + 1) }

  /// The interface's hardware address, locally administered: the same at each start, since the node remembers for a while
  /// at which one it has found an IP address.
  func hardwareAddress(slot: Int) -> [UInt8] {
    [0x02, 0x6e, 0x61, 128 + number, UInt8(slot >> 8 & 255), UInt8(slot & 255)]
  }

  /// The bridge's, which no slot has.
  var gatewayHardwareAddress: [UInt8] { hardwareAddress(slot: 0xffff) }

  /// True when a route of the host leads into an IPv4 network; `table` is `/proc/net/route` (proc(5)), whose numbers are
  /// little-endian hexadecimal.
  static func overlaps(_ network: IPNetwork, routeTable table: String) -> Bool {
    for line in table.split(separator: "\n").dropFirst() {
      let fields = line.split(whereSeparator: \.isWhitespace)
      guard fields.count > 7, let destination = UInt32(fields[1], radix: 16), let mask = UInt32(fields[7], radix: 16)
      else { continue }
      // The default route leads everywhere and takes nothing; an instance's own bridge may be left from an earlier run.
      let isBridge = fields[0].hasPrefix("na") && UInt8(fields[0].dropFirst(2)) != nil
      if mask == 0 || isBridge { continue }
      let bytes = (0..<4).map { UInt8(truncatingIfNeeded: destination >> ($0 * 8)) }
      guard let route = IPNetwork(bytes: bytes, prefix: mask.nonzeroBitCount) else { continue }
      if route.contains(network) || network.contains(route) { return true }
    }
    return false
  }
}
