// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel
import Synchronization

/// The bridge of an instance and what is plugged into it.
///
/// Made when the first container or peer needs it; taken down when the agent goes down.
final class NodeNetwork: Sendable {
  let pool: NetworkPool
  let bridge: String
  let peers: PeerNetwork
  private let instance: Instance
  private let firewall: Firewall
  private let forwarding: Forwarding
  private let index = Mutex<Int32>(0)

  init(instance: Instance, bridge: String, pool: NetworkPool, peers: PeerNetwork, firewall: Firewall) {
    self.instance = instance
    self.bridge = bridge
    self.pool = pool
    self.peers = peers
    self.firewall = firewall
    forwarding = Forwarding(instance: instance)
  }

  func interface(slot: Int) -> String { "\(bridge)-\(slot)" }

  /// Makes sure that bridge and table are there and returns the bridge's index.
  @discardableResult
  func prepare(_ netlink: Netlink) throws -> Int32 {
    try index.withLock { known in
      if known != 0, netlink.index(of: bridge) == known { return known }
      try pool.save(instance)
      if netlink.index(of: bridge) == 0 {
        try netlink.addBridge(bridge, hardwareAddress: pool.gatewayHardwareAddress)
      }
      let found = netlink.index(of: bridge)
      try netlink.addAddress("\(pool.gateway)/\(pool.ipv4.prefix)", to: found)
      if let ipv6 = pool.ipv6, let gateway6 = pool.gateway6 {
        // It is the router here, and listens to nobody.
        try FileSystem.write("0", toExisting: "/proc/sys/net/ipv6/conf/\(bridge)/accept_ra")
        try netlink.addAddress("\(gateway6)/\(ipv6.prefix)", to: found)
      }
      try netlink.bringUp(found)
      try firewall.prepareNetwork()
      try forwarding.begin(withIPv6: pool.ipv6 != nil)
      // The node's own programs reach containers from 127.0.0.1; the table's guard keeps the way back shut.
      try FileSystem.write("1", toExisting: "/proc/sys/net/ipv4/conf/\(bridge)/route_localnet")
      known = found
      return found
    }
  }

  /// Gives a network namespace an interface with addresses and a way to the node.
  func plug(slot: Int, namespace: Int32, _ bandwidth: BandwidthLimits?) throws -> AttachedPort {
    guard let port = port(slot: slot) else {
      throw RPCError(
        .noSpace,
        "the pool \(pool.ipv4.text) has no more addresses; remove containers, or give the node a larger one in network.yaml"
      )
    }
    let host = try Netlink()
    let bridgeIndex = try prepare(host)
    try unplug(slot: slot, host)
    try host.addPair(
      port.interface, bridge: bridgeIndex, peerNamespace: namespace, hardwareAddress: port.hardwareAddress)
    let outside = host.index(of: port.interface)
    // A container that calls an endpoint of its own gets its frames back at the same port. What passes between ports is
    // the firewall's to say.
    try host.allowHairpin(outside)
    do {
      // What the host's end sends is what the container receives.
      if let rate = bandwidth?.receive { try host.shape(outside, rate: rate) }
      if let rate = bandwidth?.send {
        try host.shape(try host.addIntermediate("\(port.interface)-in", for: outside), rate: rate)
      }
    } catch {
      throw RPCError(
        .kernelRefused,
        "the bandwidth cannot be limited: \(error); that needs the kernel's modules sch_tbf, ifb, cls_u32 and act_mirred"
      )
    }
    let inside = try Netlink(namespace: namespace)
    let index = inside.index(of: "eth0")
    try inside.addAddress("\(port.address)/\(pool.ipv4.prefix)", to: index)
    if let ipv6 = pool.ipv6, let address6 = port.address6 {
      try inside.addAddress("\(address6)/\(ipv6.prefix)", to: index)
    }
    try inside.bringUp(index)
    try inside.addDefaultRoute(gateway: pool.gateway, over: index)
    if let gateway6 = pool.gateway6 { try inside.addDefaultRoute(gateway: gateway6, over: index) }
    return port
  }

  func unplug(slot: Int) throws { try unplug(slot: slot, try Netlink()) }

  private func unplug(slot: Int, _ netlink: Netlink) throws {
    let name = interface(slot: slot)
    try netlink.removeLink(name)
    try netlink.removeLink("\(name)-in")
  }

  /// True when the bridge is there already, from an earlier node controller.
  var isThere: Bool { get throws { try Netlink().index(of: bridge) != 0 } }

  /// `nil` where the pool has no address for it.
  func port(slot: Int) -> AttachedPort? {
    pool.address(slot: slot).map { address in
      AttachedPort(
        interface: interface(slot: slot), hardwareAddress: pool.hardwareAddress(slot: slot), address: address,
        address6: pool.address6(slot: slot))
    }
  }

  /// Lets what was plugged in speak, and publishes endpoints, all or none; says at which ports.
  func publish(
    _ wanted: [HostMethods.Publication], of container: String, _ port: AttachedPort, links: [String]
  ) throws -> [HostMethods.Publication] {
    var taken = firewall.publishedPorts
    var done: [HostMethods.Publication] = []
    for publication in wanted {
      var publication = publication
      publication.hostPort = try HostPort.choose(publication, taken: taken)
      for place in 0..<(publication.count ?? 1) {
        taken.insert(HostPort(publication.proto, publication.hostPort + place))
      }
      done.append(publication)
    }
    try firewall.admit(container, port, Self.published(done, of: container, port), links: links)
    return done
  }

  static func published(
    _ publications: [HostMethods.Publication], of container: String, _ port: AttachedPort
  ) -> [PublishedEndpoint] {
    publications.map {
      PublishedEndpoint(
        container: container, name: $0.name, proto: $0.proto, hostPort: $0.hostPort, count: $0.count ?? 1,
        scope: $0.scope ?? .node, address: port.address, address6: port.address6, port: $0.port, rate: $0.rate,
        ratePerSource: $0.ratePerSource)
    }
  }

  func withdraw(_ container: String) throws { try firewall.withdraw(container) }

  func remove() throws {
    try peers.end()
    try firewall.remove()
    let netlink = try Netlink()
    for slot in try slots() { try unplug(slot: slot, netlink) }
    try netlink.removeLink(bridge)
    try forwarding.end()
    try NetworkPool.forget(instance)
    index.withLock { $0 = 0 }
  }

  /// The interfaces that are plugged into the bridge, by slot.
  func slots() throws -> [Int] {
    try Netlink().ports(of: bridge).compactMap { name in
      name.hasPrefix("\(bridge)-") ? Int(name.dropFirst(bridge.count + 1)) : nil
    }
  }

  // MARK: - Peers

  /// Makes routes and firewall agree with the peers.
  func writePeers() throws {
    if !peers.peers.isEmpty { try prepare(try Netlink()) }
    try firewall.write()
    try peers.write()
  }
}
