// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// An IPv4 or IPv6 network, canonical: no bits below its prefix.
public struct IPNetwork: Hashable, Sendable {
  /// 4 or 16 bytes.
  public let bytes: [UInt8]
  public let prefix: Int

  public var isIPv6: Bool { bytes.count == 16 }

  /// `10.0.0.0/8`, `fd00::/8`, or one address.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let bytes = Self.address(String(parts[0])) else { return nil }
    let most = bytes.count * 8
    var prefix = most
    if parts.count == 2 {
      guard let number = Int(parts[1]), (0...most).contains(number), parts[1].utf8.allSatisfy({ $0 >= 48 && $0 <= 57 })
      else { return nil }
      prefix = number
    }
    self.init(bytes: bytes, prefix: prefix)
  }

  public init?(bytes: [UInt8], prefix: Int) {
    guard bytes.count == 4 || bytes.count == 16, (0...bytes.count * 8).contains(prefix) else { return nil }
    self.prefix = prefix
    self.bytes = bytes.enumerated().map { index, byte in
      let bits = min(8, max(0, prefix - index * 8))
      return byte & UInt8(truncatingIfNeeded: 0xff00 >> bits)
    }
  }

  /// One address of 4 or 16 bytes.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
    self.bytes = bytes.starts(with: mapped) && bytes.count == 16 ? Array(bytes.suffix(4)) : bytes
    prefix = self.bytes.count * 8
  }

  /// The bytes of an address; an IPv4 address in an IPv6 one counts as what it is.
  public static func address(_ text: String) -> [UInt8]? {
    var four = in_addr()
    if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
    var six = in6_addr()
    guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
    let bytes = withUnsafeBytes(of: six) { Array($0) }
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
    return bytes.starts(with: mapped) ? Array(bytes.suffix(4)) : bytes
  }

  public func contains(_ address: [UInt8]) -> Bool {
    guard address.count == bytes.count else { return false }
    for (index, byte) in address.enumerated() {
      let bits = min(8, max(0, prefix - index * 8))
      if byte & UInt8(truncatingIfNeeded: 0xff00 >> bits) != bytes[index] { return false }
    }
    return true
  }

  public func contains(_ other: IPNetwork) -> Bool { prefix <= other.prefix && contains(other.bytes) }

  public func overlaps(_ other: IPNetwork) -> Bool { contains(other) || other.contains(self) }

  /// Without those that lie within another: the kernel takes no overlaps.
  public static func joined(_ networks: [IPNetwork]) -> [IPNetwork] {
    var found: [IPNetwork] = []
    for network in networks where !found.contains(where: { $0.contains(network) }) {
      found.removeAll { network.contains($0) }
      found.append(network)
    }
    return found
  }

  /// How many addresses it has, at most 2^32.
  public var size: Int { 1 << min(32, bytes.count * 8 - prefix) }

  /// The address at a distance from its first.
  public func address(_ offset: Int) -> String {
    var sum = bytes
    var rest = offset
    for index in sum.indices.reversed() where rest > 0 {
      rest += Int(sum[index])
      sum[index] = UInt8(rest & 255)
      rest >>= 8
    }
    return IPNetwork(bytes: sum, prefix: sum.count * 8)?.text ?? ""
  }

  /// As nft(8) prints it: without the prefix where that is one address.
  public var text: String {
    var buffer = [CChar](repeating: 0, count: 64)
    inet_ntop(isIPv6 ? AF_INET6 : AF_INET, bytes, &buffer, socklen_t(buffer.count))
    let address = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return prefix == bytes.count * 8 ? address : "\(address)/\(prefix)"
  }
}
