// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Who may reach what on a node, as its administrator wants it.
public struct FirewallPolicy: Codable, Sendable, Hashable, SchemaDocumented {
  /// What becomes of packets to ports that no endpoint and no container names.
  public enum Default: String, Sendable, Hashable, SchemaEnumeration {
    /// They are none of our business.
    case accept
    case drop
  }

  /// Networks as `10.0.0.0/8` or `fd00::/8`, canonical, none within another.
  public var cluster: [String]
  public var otherwise: Default
  /// How often a dropped packet is logged; `nil` for never.
  public var log: PacketRate?
  public var endpoints: [FirewallEndpoint]
  /// The widest scope that containers' endpoints get, whatever their bundles say; `nil`: what they say.
  public var containers: EndpointScope?

  public init(
    cluster: [String] = [], otherwise: Default = .accept, log: PacketRate? = nil, endpoints: [FirewallEndpoint] = [],
    containers: EndpointScope? = nil
  ) {
    self.containers = containers
    self.cluster = cluster
    self.otherwise = otherwise
    self.log = log
    self.endpoints = endpoints
  }

  enum CodingKeys: String, CodingKey {
    case cluster, log, endpoints, containers
    case otherwise = "default"
  }

  public static let memberSummaries = [
    "cluster": "networks whose hosts reach what has the scope cluster",
    "containers": "the widest scope that containers' endpoints get, whatever their bundles say",
    "default": "what becomes of packets to ports that nothing names",
  ]
}
