// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// The containers' network and its ways to other nodes, on `node.sock`.
public enum NetworkMethods {
  public struct PeerView: Codable, Sendable, Hashable {
    public enum Source: String, Sendable, Hashable, SchemaEnumeration {
      /// `network.yaml`.
      case file
      /// A caller.
      case added
    }
    public var source: Source
    public var peer: NetworkPeer
    /// Why there is no way to it.
    public var problem: String?
    public init(source: Source, peer: NetworkPeer, problem: String?) {
      self.source = source
      self.peer = peer
      self.problem = problem
    }
  }

  /// What was seen of an endpoint since its container was started, and the table written.
  public struct Endpoint: Codable, Sendable, Hashable {
    public var name: String
    public var proto: TransportProtocol
    /// Inside the container; the first of them.
    public var port: UInt16
    public var count: Int
    public var scope: EndpointScope
    /// On the node; missing where it is not published.
    public var hostPort: UInt16?
    public var receivedPackets: UInt64
    public var receivedBytes: UInt64
    public var sentPackets: UInt64
    public var sentBytes: UInt64
    /// Packets to the node's port that were refused.
    public var refusedPackets: UInt64
    public init(
      name: String, proto: TransportProtocol, port: UInt16, count: Int, scope: EndpointScope, hostPort: UInt16?,
      receivedPackets: UInt64 = 0, receivedBytes: UInt64 = 0, sentPackets: UInt64 = 0, sentBytes: UInt64 = 0,
      refusedPackets: UInt64 = 0
    ) {
      self.name = name
      self.proto = proto
      self.port = port
      self.count = count
      self.scope = scope
      self.hostPort = hostPort
      self.receivedPackets = receivedPackets
      self.receivedBytes = receivedBytes
      self.sentPackets = sentPackets
      self.sentBytes = sentBytes
      self.refusedPackets = refusedPackets
    }
    enum CodingKeys: String, CodingKey {
      case name, port, count, scope, hostPort, receivedPackets, receivedBytes, sentPackets, sentBytes, refusedPackets
      case proto = "protocol"
    }
  }

  public struct Container: Codable, Sendable, Hashable {
    public var name: String
    public var address: String
    public var address6: String?
    /// Six bytes in hexadecimal with colons.
    public var hardwareAddress: String
    /// The host's end.
    public var interface: String
    public var links: [String]
    /// Bytes a second that it may receive and send; missing where there is no limit.
    public var receiveLimit: UInt64?
    public var sendLimit: UInt64?
    public var endpoints: [Endpoint]
    public init(
      name: String, address: String, address6: String?, hardwareAddress: String, interface: String, links: [String],
      receiveLimit: UInt64? = nil, sendLimit: UInt64? = nil, endpoints: [Endpoint]
    ) {
      self.name = name
      self.address = address
      self.address6 = address6
      self.hardwareAddress = hardwareAddress
      self.interface = interface
      self.links = links
      self.receiveLimit = receiveLimit
      self.sendLimit = sendLimit
      self.endpoints = endpoints
    }
  }

  public struct Status: Codable, Sendable, Hashable {
    public var bridge: String
    /// False until the first container needs it.
    public var isThere: Bool
    public var pool: String
    public var pool6: String?
    public var gateway: String
    public var gateway6: String?
    /// What `network.yaml` says where that is not in use yet.
    public var nextPool: String?
    public var peers: [PeerView]
    public var containers: [Container]
    public init(
      bridge: String, isThere: Bool, pool: String, pool6: String?, gateway: String, gateway6: String?,
      nextPool: String?, peers: [PeerView], containers: [Container]
    ) {
      self.bridge = bridge
      self.isThere = isThere
      self.pool = pool
      self.pool6 = pool6
      self.gateway = gateway
      self.gateway6 = gateway6
      self.nextPool = nextPool
      self.peers = peers
      self.containers = containers
    }
  }

  public struct Name: Codable, Sendable, Hashable {
    public var name: String
    public init(name: String) { self.name = name }
  }

  public static let status = Method<Empty, Status>(
    "network.status", role: .observer,
    "The containers' network: its bridge and pools, the containers in it with what their endpoints have moved, and the peers."
  )
  public static let apply = Method<Empty, Status>(
    "network.apply", role: .admin, "Takes up the peers of network.yaml.", errors: [.invalidParams, .alreadyExists])
  public static let addPeer = Method<NetworkPeer, Empty>(
    "network.peer.add", role: .admin,
    "Adds another node, whose containers are routed to, and which belongs to the cluster from now on.",
    errors: [.invalidParams, .alreadyExists])
  public static let removePeer = Method<Name, Empty>(
    "network.peer.remove", role: .admin, "Removes a peer that was added.", errors: [.notFound, .wrongState])
}
