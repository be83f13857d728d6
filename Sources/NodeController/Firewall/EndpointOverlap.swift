// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// Finds endpoints that cannot be side by side.
enum EndpointOverlap {
  /// The places of two that have the same name, or a port in common; the second stands behind the first in the list.
  static func find(_ endpoints: [FirewallEndpoint]) -> (first: Int, second: Int)? {
    var names: [String: Int] = [:]
    for (place, endpoint) in endpoints.enumerated() {
      if let other = names.updateValue(place, forKey: endpoint.name) { return (other, place) }
    }
    // Sorted by port, two that overlap are neighbours, or one between them overlaps with the first of them, too.
    let sorted = endpoints.indices.sorted {
      let (left, right) = (endpoints[$0], endpoints[$1])
      return (left.proto.number, left.first) < (right.proto.number, right.first)
    }
    for (one, next) in zip(sorted, sorted.dropFirst()) where endpoints[one].overlaps(endpoints[next]) {
      return (min(one, next), max(one, next))
    }
    return nil
  }
}
