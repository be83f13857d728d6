// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// A container's endpoint at a port of the node, or at several in a row.
struct PublishedEndpoint: Hashable, Sendable {
  var container: String
  var name: String
  var proto: TransportProtocol
  var hostPort: UInt16
  var count: UInt16 = 1
  var scope: EndpointScope
  var address: String
  var address6: String?
  var port: UInt16
  var rate: PacketRate?
  var ratePerSource: PacketRate?

  var isLimited: Bool { rate != nil || ratePerSource != nil }

  /// With no wider scope than the policy lets it have.
  func capped(_ policy: FirewallPolicy) -> PublishedEndpoint {
    var capped = self
    capped.scope = min(scope, policy.containers ?? .internet)
    return capped
  }

  var asEndpoint: FirewallEndpoint {
    FirewallEndpoint(
      name: "\(container)/\(name)", proto: proto, first: hostPort, last: hostPort + (count - 1), scope: scope,
      rate: rate, ratePerSource: ratePerSource)
  }

  /// As elements of the table's sets. Who comes from where is sent to a container is decided by the map that he is looked up in.
  var elements: [(set: String, element: String)] {
    var all: [(String, String)] = []
    for place in 0..<Int(count) {
      let key = "\(proto.number) . \(Int(hostPort) + place)"
      all.append(("managed", key))
      for (target, suffix) in [(address, ""), (address6, "6")] {
        guard let target else { continue }
        let element = "\(key) : \(target) . \(Int(port) + place)"
        all.append(("local-ports\(suffix)", element))
        if scope >= .cluster { all.append(("cluster-ports\(suffix)", element)) }
        if scope == .internet { all.append(("internet-ports\(suffix)", element)) }
      }
    }
    return all
  }
}
