// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration

/// Reads `firewall.yaml`; docs/firewall.md describes the format.
enum FirewallParser {
  /// An empty policy where there is no file.
  static func read(_ path: String) throws -> FirewallPolicy {
    try AdministratorFile.parse(path) { try parse($0, file: path) } ?? FirewallPolicy()
  }

  static func parse(_ text: String, file: String) throws(DescriptorProblem) -> FirewallPolicy {
    let members = try DescriptorNode(file: file, text: text, longest: 1 << 20).members([
      "cluster", "default", "log", "endpoints", "containers",
    ])
    var policy = FirewallPolicy()
    if let member = members["cluster"] { policy.cluster = try networks(member) }
    if let member = members["default"] { policy.otherwise = try member.choice(FirewallPolicy.Default.self) }
    if let member = members["log"] { policy.log = try rate(member) }
    policy.containers = try members["containers"]?.choice(EndpointScope.self)
    let elements = try members["endpoints"]?.elements() ?? []
    for element in elements { policy.endpoints.append(try endpoint(element)) }
    if let (first, second) = EndpointOverlap.find(policy.endpoints) {
      let (one, other) = (policy.endpoints[second], policy.endpoints[first])
      throw elements[second].problem(
        one.name == other.name
          ? "has the name \(other.name), which another endpoint has"
          : "has ports that \(other.name) (\(other.portsText)) has, too")
    }
    return policy
  }

  private static func networks(_ node: DescriptorNode) throws(DescriptorProblem) -> [String] {
    var found: [IPNetwork] = []
    for element in try node.elements() {
      guard let network = IPNetwork(try element.text()) else {
        throw element.problem("must be a network such as 10.0.0.0/8 or fd00::/8, or an address")
      }
      found.append(network)
    }
    return IPNetwork.joined(found).map(\.text)
  }

  private static func rate(_ node: DescriptorNode) throws(DescriptorProblem) -> PacketRate {
    guard let rate = PacketRate(try node.text()) else {
      throw node.problem("must be a number from 1 to 1000000 a second, minute, hour or day, such as 10/minute")
    }
    return rate
  }

  private static func endpoint(_ node: DescriptorNode) throws(DescriptorProblem) -> FirewallEndpoint {
    let members = try node.members(["name", "port", "ports", "protocol", "scope", "rate", "per-source"])
    guard let ports = members["port"] ?? members["ports"], members["port"] == nil || members["ports"] == nil,
      let scope = members["scope"]
    else { throw node.problem("needs port (or ports) and scope; it takes name, protocol, rate, per-source, too") }
    guard let range = range(try ports.text()) else {
      throw ports.problem("must be a port from 1 to 65535, or a range such as 8000-8010")
    }
    let proto = try members["protocol"]?.choice(TransportProtocol.self) ?? .tcp
    var endpoint = FirewallEndpoint(
      name: "", proto: proto, first: range.lowerBound, last: range.upperBound,
      scope: try scope.choice(EndpointScope.self))
    endpoint.name = "port-\(range.lowerBound)-\(proto.rawValue)"
    if let member = members["name"] {
      endpoint.name = try member.text()
      guard ContainerSpec.problem(withName: endpoint.name) == nil else { throw member.problem("must be a name") }
    }
    if let member = members["rate"] { endpoint.rate = try rate(member) }
    if let member = members["per-source"] { endpoint.ratePerSource = try rate(member) }
    return endpoint
  }

  /// `80`, or `8000-8010`.
  static func range(_ text: String) -> ClosedRange<UInt16>? {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
    guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first > 0, first <= last
    else { return nil }
    return first...last
  }
}
