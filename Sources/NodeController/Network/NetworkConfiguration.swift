// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// `network.yaml`; docs/network.md describes the format.
struct NetworkConfiguration: Sendable, Equatable {
  enum IPv6: Sendable, Equatable {
    /// A unique local network (RFC 4193) that the agent draws once.
    case drawn
    case off
    case given(IPNetwork)
  }

  /// `nil`: the instance's standard one.
  var pool: IPNetwork?
  var ipv6 = IPv6.drawn
  var peers: [NetworkPeer] = []
  var overlay = Overlay()

  /// The VXLAN, which is the same for all nodes that are reached by it.
  struct Overlay: Sendable, Hashable {
    /// 24 bits (RFC 7348 §5).
    var identifier: UInt32 = 0x6e61
    /// Not IANA's 4789: that is other networks', whose packets are not ours to filter.
    var port: UInt16 = 20790
    /// Of a packet inside, in bytes: 1500 without the headers around it, over IPv6.
    var mtu: UInt32 = 1430
  }
}
