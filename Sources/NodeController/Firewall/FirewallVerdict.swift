// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// What a policy makes of a new connection to the node itself; the kernel decides the same by the rules.
struct FirewallVerdict: Sendable {
  let policy: FirewallPolicy
  let opened: [FirewallEndpoint]
  /// Networks of the cluster beside those of the policy.
  var peers: [IPNetwork] = []

  /// - Parameter source: an IPv4 or IPv6 address of another host.
  func accepts(from source: String, to port: UInt16, _ proto: TransportProtocol = .tcp) -> Bool {
    guard let endpoint = (policy.endpoints + opened).first(where: { $0.contains(port, proto) }) else {
      return policy.otherwise == .accept
    }
    switch endpoint.scope {
    case .internet: return true
    case .cluster:
      guard let address = IPNetwork.address(source) else { return false }
      return (policy.cluster.compactMap { IPNetwork($0) } + peers).contains { $0.contains(address) }
    case .node: return false
    }
  }
}
