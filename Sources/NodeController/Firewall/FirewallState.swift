// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// What is enforced, kept over restarts and boots: `firewall.json`.
struct FirewallState: Codable, Sendable, Hashable {
  /// As it was applied last; the file may say something else meanwhile.
  var policy = FirewallPolicy()
  var opened: [FirewallEndpoint] = []

  func verdict(peers: [NetworkPeer]) -> FirewallVerdict {
    let networks = peers.flatMap { [$0.address, $0.address6, $0.pool, $0.pool6].compactMap { $0 } }
    return FirewallVerdict(policy: policy, opened: opened, peers: networks.compactMap { IPNetwork($0) })
  }

  /// The endpoints that go and come on the way from here to there; `nil` where something else changes, or where one of them
  /// has limits.
  func endpointChanges(to next: FirewallState) -> (gone: Set<FirewallEndpoint>, come: Set<FirewallEndpoint>)? {
    var same = policy
    same.endpoints = next.policy.endpoints
    guard same == next.policy else { return nil }
    let (gone, come) = differences(to: next)
    let isLimited = gone.union(come).contains { $0.rate != nil || $0.ratePerSource != nil }
    return isLimited ? nil : (gone, come)
  }

  private func differences(to next: FirewallState) -> (gone: Set<FirewallEndpoint>, come: Set<FirewallEndpoint>) {
    var (old, new) = (Set(opened), Set(next.opened))
    // Mostly it has not changed, and it may be long.
    if policy.endpoints != next.policy.endpoints {
      old.formUnion(policy.endpoints)
      new.formUnion(next.policy.endpoints)
    }
    return (old.subtracting(new), new.subtracting(old))
  }

  /// The lines of a plan that leads from here to there.
  func changes(to next: FirewallState) -> [String] {
    var lines: [String] = []
    let (gone, come) = differences(to: next)
    let old = Dictionary(gone.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let new = Dictionary(come.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    for (name, endpoint) in old.sorted(by: { $0.key < $1.key }) where new[name] == nil {
      lines.append("- \(Self.text(endpoint))")
    }
    for (name, endpoint) in new.sorted(by: { $0.key < $1.key }) {
      guard let before = old[name] else {
        lines.append("+ \(Self.text(endpoint))")
        continue
      }
      lines.append("~ \(Self.text(before)) -> \(Self.text(endpoint))")
    }
    func compare(_ what: String, _ before: String, _ after: String) {
      if before != after { lines.append("~ \(what): \(before) -> \(after)") }
    }
    func list(_ networks: [String]) -> String { networks.isEmpty ? "nobody" : networks.joined(separator: ", ") }
    compare("cluster", list(policy.cluster), list(next.policy.cluster))
    func scope(_ policy: FirewallPolicy) -> String { (policy.containers ?? .internet).rawValue }
    compare("containers' endpoints at most", scope(policy), scope(next.policy))
    compare("default", policy.otherwise.rawValue, next.policy.otherwise.rawValue)
    compare("log", policy.log.map { "\($0)" } ?? "never", next.policy.log.map { "\($0)" } ?? "never")
    return lines
  }

  private static func text(_ endpoint: FirewallEndpoint) -> String {
    var words = "\(endpoint.name) \(endpoint.portsText) for \(endpoint.scope.rawValue)"
    if let rate = endpoint.rate { words += ", at most \(rate)" }
    if let rate = endpoint.ratePerSource { words += ", at most \(rate) of one source" }
    return words
  }
}

/// What was before a change on probation.
struct FirewallProbation: Codable, Sendable, Hashable {
  var before: FirewallState
  /// Microseconds of the wall clock.
  var until: Int64
}
