// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// Where the pool in use is decided: what runs keeps the addresses that it has.
extension NetworkPool {
  /// `run/nodeagent/network.json`: the pool of the bridge that is there.
  private struct Saved: Codable {
    var pool: String
    var pool6: String?
  }

  private static func file(_ instance: Instance) -> String { "\(instance.runDirectory)/network.json" }

  /// The pool of the bridge that is there; else what the administrator says, or the standard.
  static func decide(_ instance: Instance, _ number: InstanceNumber, _ wanted: NetworkConfiguration) throws
    -> NetworkPool
  {
    if let saved = try? JSONCoding.decode(Saved.self, from: FileSystem.read(file(instance))),
      let pool = IPNetwork(saved.pool), try Netlink().index(of: number.bridge) != 0
    {
      return NetworkPool(ipv4: pool, ipv6: saved.pool6.flatMap { IPNetwork($0) }, number: UInt8(number.value))
    }
    return try configured(instance, number, wanted)
  }

  static func configured(_ instance: Instance, _ number: InstanceNumber, _ wanted: NetworkConfiguration) throws
    -> NetworkPool
  {
    let ipv6: IPNetwork? =
      switch wanted.ipv6 {
      case .off: nil
      case .given(let network): hasIPv6 ? network : nil
      case .drawn: hasIPv6 ? try drawn(instance) : nil
      }
    return NetworkPool(
      ipv4: wanted.pool ?? standard(UInt8(number.value)), ipv6: ipv6, number: UInt8(number.value))
  }

  /// For the node controllers to come, as long as the bridge is there.
  func save(_ instance: Instance) throws {
    try FileSystem.replace(
      Self.file(instance), with: try JSONCoding.encode(Saved(pool: ipv4.text, pool6: ipv6?.text)), mode: 0o600)
  }

  static func forget(_ instance: Instance) throws { try FileSystem.remove(file(instance)) }

  /// The kernel has IPv6, and it is not turned off (ip-sysctl, kernel document).
  static var hasIPv6: Bool {
    (try? FileSystem.readText("/proc/sys/net/ipv6/conf/all/disable_ipv6", limit: 16))?.hasPrefix("0") ?? false
  }

  /// 40 random bits below fd00::/8 (RFC 4193 §3.2), drawn once.
  private static func drawn(_ instance: Instance) throws -> IPNetwork {
    let path = "\(instance.stateDirectory)/pool6"
    if let text = try? FileSystem.readText(path, limit: 64), let known = IPNetwork(text.filter { !$0.isWhitespace }),
      known.isIPv6
    {
      return known
    }
    var bytes = [UInt8](repeating: 0, count: 16)
    bytes[0] = 0xfd
    for index in 1...5 { bytes[index] = .random(in: 0 ... .max) }
    guard let network = IPNetwork(bytes: bytes, prefix: 64) else {
      throw RPCError(.internalError, "no IPv6 network could be drawn")
    }
    try FileSystem.replace(path, with: Array("\(network.text)\n".utf8), mode: 0o644, durable: true)
    return network
  }
}
