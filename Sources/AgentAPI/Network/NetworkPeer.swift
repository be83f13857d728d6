// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Another node, whose containers this node's reach.
public struct NetworkPeer: Codable, Sendable, Hashable {
  public enum Way: String, Sendable, Hashable, SchemaEnumeration {
    /// A route with the node as its gateway: both have an address in one network.
    case route
    /// Frames in UDP packets (RFC 7348), where only the nodes' own addresses are routed.
    case vxlan
  }

  public var name: String
  /// The node's own.
  public var address: String
  /// The node's own IPv6 address, where ``address`` is IPv4 and ``pool6`` is routed.
  public var address6: String?
  /// The networks of its containers.
  public var pool: String
  public var pool6: String?
  public var via: Way

  public init(
    name: String, address: String, address6: String? = nil, pool: String, pool6: String? = nil, via: Way = .route
  ) {
    self.name = name
    self.address = address
    self.address6 = address6
    self.pool = pool
    self.pool6 = pool6
    self.via = via
  }
}
