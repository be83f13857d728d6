// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel

/// The TCP connections to a port of this node, as `/proc/net/tcp` and `tcp6` list them (proc(5)).
enum EstablishedConnections {
  static func to(port: UInt16) -> [FirewallMethods.Connection] {
    var found: [FirewallMethods.Connection] = []
    for name in ["tcp", "tcp6"] {
      // One that cannot be read has none.
      guard let text = try? FileSystem.readText("/proc/net/\(name)", limit: 16 << 20) else { continue }
      found += parse(text).filter { $0.port == port }
    }
    return found
  }

  static func parse(_ text: String) -> [FirewallMethods.Connection] {
    text.split(separator: "\n").dropFirst().compactMap { line in
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      // 01 is established.
      guard fields.count > 3, fields[3] == "01" else { return nil }
      let near = fields[1].split(separator: ":")
      let far = fields[2].split(separator: ":")
      guard near.count == 2, far.count == 2, let port = UInt16(near[1], radix: 16), let bytes = address(far[0]) else {
        return nil
      }
      return FirewallMethods.Connection(source: bytes, port: port)
    }
  }

  /// Words of 32 bits in the machine's order.
  private static func address(_ text: Substring) -> String? {
    guard text.utf8.count == 8 || text.utf8.count == 32 else { return nil }
    var bytes: [UInt8] = []
    var rest = text
    while !rest.isEmpty {
      guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
      withUnsafeBytes(of: word) { bytes += $0 }
      rest = rest.dropFirst(8)
    }
    return IPNetwork(bytes: bytes)?.text
  }
}
