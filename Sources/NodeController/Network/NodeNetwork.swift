// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel
import Synchronization

/// The bridge of an instance, what is plugged into it, and what of it is published.
///
/// Made when the first container needs it; taken down when the agent goes down.
final class NodeNetwork: Sendable {
  let pool: IPv4Pool
  let bridge: String
  let table: NftTable
  private let index = Mutex<Int32>(0)

  init(instance: Instance, number: InstanceNumber) {
    pool = number.pool
    bridge = number.bridge
    table = NftTable(name: "nodeagent-\(instance.id)", bridge: number.bridge)
  }

  func interface(slot: Int) -> String { "\(bridge)-\(slot)" }

  /// Makes sure that bridge and table are there and returns the bridge's index.
  private func prepare(_ netlink: Netlink) throws -> Int32 {
    try index.withLock { known in
      if known != 0, netlink.index(of: bridge) == known { return known }
      if netlink.index(of: bridge) == 0 { try netlink.addBridge(bridge) }
      let found = netlink.index(of: bridge)
      try netlink.addAddress("\(pool.gateway)/16", to: found)
      try netlink.bringUp(found)
      // The node's own programs reach containers from 127.0.0.1; the table's loopback guard keeps the way back shut.
      try FileSystem.write("1", toExisting: "/proc/sys/net/ipv4/conf/\(bridge)/route_localnet")
      if !table.exists() { try table.create() }
      known = found
      return found
    }
  }

  /// Gives a network namespace an interface with an address and a way to the node.
  func plug(slot: Int, namespace: Int32) throws -> String {
    let host = try Netlink()
    let bridgeIndex = try prepare(host)
    let name = interface(slot: slot)
    let address = pool.address(slot: slot)
    try host.removeLink(name)
    try host.addPair(
      name, bridge: bridgeIndex, peerNamespace: namespace, hardwareAddress: pool.hardwareAddress(slot: slot))
    // Containers reach each other by published endpoints only.
    try host.isolatePort(host.index(of: name))
    let inside = try Netlink(namespace: namespace)
    let index = inside.index(of: "eth0")
    try inside.addAddress("\(address)/16", to: index)
    try inside.bringUp(index)
    try inside.addDefaultRoute(gateway: pool.gateway, over: index)
    return address
  }

  func unplug(slot: Int) throws { try Netlink().removeLink(interface(slot: slot)) }

  /// Publishes endpoints; when one cannot be, those before it are withdrawn.
  func publish(_ wanted: [HostMethods.Publication], address: String, taken: Set<HostPort>) throws
    -> [HostMethods.Publication]
  {
    var done: [HostMethods.Publication] = []
    do {
      for publication in wanted {
        var publication = publication
        publication.hostPort = try HostPort.choose(
          publication, taken: taken.union(done.map { HostPort($0.proto, $0.hostPort) }))
        try table.publish(
          publication.proto.rawValue, hostPort: publication.hostPort, address: address, port: publication.port)
        done.append(publication)
      }
    } catch {
      withdraw(done)
      throw error
    }
    return done
  }

  /// Elements that are already gone are no error: the table may have been made anew.
  func withdraw(_ publications: [HostMethods.Publication]) {
    for publication in publications { try? table.withdraw(publication.proto.rawValue, hostPort: publication.hostPort) }
  }

  func remove() throws {
    try table.remove()
    try Netlink().removeLink(bridge)
    index.withLock { $0 = 0 }
  }

  /// The interfaces that are plugged into the bridge, by slot.
  func slots() throws -> [Int] {
    try Netlink().ports(of: bridge).compactMap { name in
      name.hasPrefix("\(bridge)-") ? Int(name.dropFirst(bridge.count + 1)) : nil
    }
  }
}
