// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Ports of the node that somebody may reach.
public struct FirewallEndpoint: Codable, Sendable, Hashable, SchemaDocumented {
  public var name: String
  public var proto: TransportProtocol
  /// The first and last port.
  public var first: UInt16
  public var last: UInt16
  public var scope: EndpointScope
  /// New connections of everybody together; those beyond are dropped.
  public var rate: PacketRate?
  /// New connections of each source address.
  public var ratePerSource: PacketRate?

  public init(
    name: String, proto: TransportProtocol, first: UInt16, last: UInt16, scope: EndpointScope,
    rate: PacketRate? = nil, ratePerSource: PacketRate? = nil
  ) {
    self.name = name
    self.proto = proto
    self.first = first
    self.last = last
    self.scope = scope
    self.rate = rate
    self.ratePerSource = ratePerSource
  }

  /// `22/tcp`, `8000-8010/udp`.
  public var portsText: String { "\(first == last ? "\(first)" : "\(first)-\(last)")/\(proto.rawValue)" }

  public func contains(_ port: UInt16, _ proto: TransportProtocol) -> Bool {
    self.proto == proto && first <= port && port <= last
  }

  public func overlaps(_ other: FirewallEndpoint) -> Bool {
    proto == other.proto && first <= other.last && other.first <= last
  }

  enum CodingKeys: String, CodingKey {
    case name, first, last, scope, rate, ratePerSource
    case proto = "protocol"
  }

  public static let memberSummaries = [
    "first": "port", "last": "port, the same for one alone",
    "rate": "new connections of all sources together; those beyond are dropped",
    "ratePerSource": "new connections of each source address",
  ]
}
