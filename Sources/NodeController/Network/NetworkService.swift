// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// The containers' network on `node.sock`.
extension NodeController {
  func addNetworkMethods(to router: inout RPCRouter) {
    router.on(NetworkMethods.status) { [self] _, _ in try await Blocking.run { try self.networkStatus() } }
    router.on(NetworkMethods.apply) { [self] context, _ in
      try await Blocking.run {
        let configuration: NetworkConfiguration
        do {
          configuration = try NetworkParser.read(self.instance.network)
        } catch {
          throw RPCError(.invalidParams, "nothing was changed: \((error as? RPCError)?.message ?? "\(error)")")
        }
        try self.network.peers.configure(configuration)
        try self.network.writePeers()
        self.tellNetwork("applied", nil, context.correlationID)
        return try self.networkStatus()
      }
    }
    router.on(NetworkMethods.addPeer) { [self] context, peer in
      try await Blocking.run {
        try self.network.peers.add(peer)
        do {
          try self.network.writePeers()
        } catch {
          // What was refused is not remembered.
          try self.network.peers.remove(peer.name)
          throw error
        }
        self.tellNetwork("peer added", peer.name, context.correlationID)
        return Empty()
      }
    }
    router.on(NetworkMethods.removePeer) { [self] context, peer in
      try await Blocking.run {
        try self.network.peers.remove(peer.name)
        try self.network.writePeers()
        self.tellNetwork("peer removed", peer.name, context.correlationID)
        return Empty()
      }
    }
  }

  private func tellNetwork(_ event: String, _ cause: String?, _ correlation: String?) {
    events.add(kind: "network", name: network.bridge, event: event, cause: cause, correlation: correlation)
  }

  private func networkStatus() throws -> NetworkMethods.Status {
    let pool = network.pool
    // What the file says is looked at for this only; where it cannot be read, it says nothing here, and `apply` says why.
    let wanted = try? NetworkParser.read(instance.network)
    let next = try wanted.map { try NetworkPool.configured(instance, number, $0) } ?? pool
    let nextText = [next.ipv4.text, next.ipv6?.text].compactMap { $0 }.joined(separator: " ")
    return NetworkMethods.Status(
      bridge: network.bridge, isThere: try network.isThere, pool: pool.ipv4.text, pool6: pool.ipv6?.text,
      gateway: pool.gateway, gateway6: pool.gateway6, nextPool: next == pool ? nil : nextText,
      peers: network.peers.views(), containers: try firewall.traffic())
  }
}

extension Firewall {
  /// The containers in the network, with what their endpoints have moved.
  func traffic() throws(RPCError) -> [NetworkMethods.Container] {
    let policy = state.withLock { $0.enforced.policy }
    let attached = attached.map { ($0.name, $0.port.capped(policy), $0.published, $0.links) }
    let isServing = attached.contains { !$0.1.served.isEmpty }
    func counts(_ set: String) throws(RPCError) -> [String: TrafficCount] {
      isServing ? try table.counters(of: set) : [:]
    }
    let received = try [counts("received4"), counts("received6")]
    let sent = try [counts("sent4"), counts("sent6")]
    // What comes to a published port and is not led to the container arrives at the node itself, and is refused there.
    let refused = try counts("managed")
    return attached.map { name, port, published, links in
      NetworkMethods.Container(
        name: name, address: port.address, address6: port.address6, hardwareAddress: port.hardwareText,
        interface: port.interface, links: links, receiveLimit: port.bandwidth?.receive,
        sendLimit: port.bandwidth?.send,
        endpoints: port.served.map { served in
          let hostPort = published.first { $0.name == served.name }?.hostPort
          let count = Int(served.count ?? 1)
          func sum(_ counts: [[String: TrafficCount]], _ keys: [String]) -> TrafficCount {
            counts.reduce(TrafficCount()) { sum, known in keys.reduce(sum) { $0 + (known[$1] ?? TrafficCount()) } }
          }
          let own = (0..<count).flatMap { place in
            [port.address, port.address6].compactMap { $0 }.map {
              "\($0) . \(served.proto.number) . \(Int(served.port) + place)"
            }
          }
          let atNode = hostPort.map { first in (0..<count).map { "\(served.proto.number) . \(Int(first) + $0)" } } ?? []
          let (come, gone) = (sum(received, own), sum(sent, own))
          return NetworkMethods.Endpoint(
            name: served.name, proto: served.proto, port: served.port, count: count, scope: served.scope,
            hostPort: hostPort, receivedPackets: come.packets, receivedBytes: come.bytes, sentPackets: gone.packets,
            sentBytes: gone.bytes, refusedPackets: sum([refused], atNode).packets)
        })
    }
  }
}
