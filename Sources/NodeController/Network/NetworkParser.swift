// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration

/// Reads `network.yaml`; docs/network.md describes the format.
enum NetworkParser {
  /// The standard where there is no file.
  static func read(_ path: String) throws -> NetworkConfiguration {
    try AdministratorFile.parse(path) { try parse($0, file: path) } ?? NetworkConfiguration()
  }

  static func parse(_ text: String, file: String) throws(DescriptorProblem) -> NetworkConfiguration {
    let members = try DescriptorNode(file: file, text: text, longest: 1 << 20).members([
      "pool", "pool6", "peers", "vxlan",
    ])
    var configuration = NetworkConfiguration()
    if let member = members["pool"] { configuration.pool = try pool(member) }
    if let member = members["pool6"] {
      configuration.ipv6 = try member.text() == "off" ? .off : .given(try pool6(member))
    }
    for element in try members["peers"]?.elements() ?? [] {
      let peer = try peer(element)
      if let problem = problem(with: peer, beside: configuration.peers) { throw element.problem(problem) }
      configuration.peers.append(peer)
    }
    if let member = members["vxlan"] {
      let members = try member.members(["id", "port", "mtu"])
      if let id = members["id"] { configuration.overlay.identifier = UInt32(try id.number(1...0xff_ffff)) }
      if let mtu = members["mtu"] { configuration.overlay.mtu = UInt32(try mtu.number(1280...65465)) }
      if let port = members["port"] { configuration.overlay.port = UInt16(try port.number(1...65535)) }
    }
    return configuration
  }

  private static func pool(_ node: DescriptorNode) throws(DescriptorProblem) -> IPNetwork {
    guard let network = IPNetwork(try node.text()), !network.isIPv6, (8...28).contains(network.prefix) else {
      throw node.problem("must be an IPv4 network with a prefix of 8 to 28 bits, such as 10.80.4.0/22")
    }
    return network
  }

  private static func pool6(_ node: DescriptorNode) throws(DescriptorProblem) -> IPNetwork {
    guard let network = IPNetwork(try node.text()), network.isIPv6, (32...112).contains(network.prefix) else {
      throw node.problem("must be off, or an IPv6 network with a prefix of 32 to 112 bits, such as fd00:80:4::/64")
    }
    return network
  }

  private static func address(_ node: DescriptorNode, isIPv6: Bool? = nil) throws(DescriptorProblem) -> String {
    guard let bytes = IPNetwork.address(try node.text()), let one = IPNetwork(bytes: bytes),
      isIPv6 == nil || one.isIPv6 == isIPv6
    else { throw node.problem("must be an \(isIPv6 == true ? "IPv6 " : "")address") }
    return one.text
  }

  private static func peer(_ node: DescriptorNode) throws(DescriptorProblem) -> NetworkPeer {
    let members = try node.members(["name", "address", "address6", "pool", "pool6", "via"])
    guard let name = members["name"], let address = members["address"], let pool = members["pool"] else {
      throw node.problem("needs name, address and pool; it takes address6, pool6 and via, too")
    }
    var peer = NetworkPeer(
      name: try name.text(), address: try self.address(address), pool: try self.pool(pool).text)
    if let member = members["address6"] { peer.address6 = try self.address(member, isIPv6: true) }
    if let member = members["pool6"] { peer.pool6 = try pool6(member).text }
    if let member = members["via"] { peer.via = try member.choice(NetworkPeer.Way.self) }
    return peer
  }

  /// Why a peer cannot be used beside the others, in words; from a file or from a caller.
  static func problem(with peer: NetworkPeer, beside others: [NetworkPeer]) -> String? {
    guard ContainerSpec.problem(withName: peer.name) == nil else { return "has a name that is none" }
    guard let address = IPNetwork.address(peer.address), let pool = IPNetwork(peer.pool), !pool.isIPv6,
      (8...28).contains(pool.prefix)
    else { return "\(peer.name) has an address or a pool that is none" }
    var own = [pool]
    if let text = peer.pool6 {
      guard let pool6 = IPNetwork(text), pool6.isIPv6, (32...112).contains(pool6.prefix) else {
        return "\(peer.name) has a pool6 that is no IPv6 network with a prefix of 32 to 112 bits"
      }
      own.append(pool6)
      let hop = [peer.address, peer.address6].compactMap { $0 }.compactMap(IPNetwork.address)
      guard peer.via == .vxlan || hop.contains(where: { $0.count == 16 }) else {
        return "\(peer.name) has a pool6 and no IPv6 address to route it to; give address6, or via: vxlan"
      }
    }
    if peer.via == .route, address.count != 4 {
      return "\(peer.name) has a pool that is routed to an IPv6 address; give its IPv4 address, or via: vxlan"
    }
    if let text = peer.address6, IPNetwork.address(text)?.count != 16 { return "\(peer.name) has no IPv6 address6" }
    if own.contains(where: { $0.contains(address) }) { return "\(peer.name) has an address in its own pool" }
    for other in others {
      if other.name == peer.name { return "\(peer.name) is there twice" }
      if other.address == peer.address { return "\(peer.name) has the address of \(other.name)" }
      for network in [other.pool, other.pool6].compactMap({ $0 }).compactMap({ IPNetwork($0) })
      where own.contains(where: { $0.overlaps(network) }) {
        return "\(peer.name) has a pool that overlaps with \(other.name)'s"
      }
    }
    return nil
  }
}
