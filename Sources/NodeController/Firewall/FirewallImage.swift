// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The tables as they should be in the kernel, one of the family inet and, where containers have a network, one of the family
/// bridge: chains that do not depend on how many endpoints there are, and what the sets
/// and maps hold, as nft(8) prints it.
struct FirewallImage: Sendable, Equatable {
  /// Sets, maps and chains, without elements.
  var structure: String
  /// The same of the family bridge; `nil` where there is none.
  var bridgeStructure: String?
  var elements: [String: Set<String>]

  /// - Parameters:
  ///   - ports: of the containers; `nil` where there is no bridge.
  ///   - links: pairs of them.
  init(
    policy: FirewallPolicy, opened: [FirewallEndpoint], published: [PublishedEndpoint], ports: [AttachedPort]?,
    links: [(AttachedPort, AttachedPort)] = [], peers: [NetworkPeer] = [],
    overlay: NetworkConfiguration.Overlay = .init(), bridge: String, pool: NetworkPool
  ) {
    let endpoints = policy.endpoints + opened
    let published = published.map { $0.capped(policy) }
    let limits = Self.limits(endpoints + published.filter(\.isLimited).map(\.asEndpoint).sorted { $0.name < $1.name })
    let isOverlaid = peers.contains { $0.via == .vxlan }
    structure = Self.structure(policy, limits, bridge: bridge, pool: pool, overlay: isOverlaid ? overlay : nil)
    elements = [:]
    let members = policy.cluster + peers.flatMap { [$0.address, $0.address6, $0.pool, $0.pool6].compactMap { $0 } }
    add(IPNetwork.joined(members.compactMap { IPNetwork($0) }), to: "cluster")
    add(
      IPNetwork.joined(peers.flatMap { [$0.pool, $0.pool6].compactMap { $0 } }.compactMap { IPNetwork($0) }),
      to: "peers")
    add(peers.filter { $0.via == .vxlan }.compactMap { IPNetwork($0.address) }, to: "underlay")
    for endpoint in endpoints {
      add(Self.elements(of: endpoint))
      if let number = limits.firstIndex(of: Limit(endpoint)) {
        let key = Self.key(endpoint.proto, endpoint.first, endpoint.last)
        elements["limited\(Self.suffix(endpoint))", default: []].insert("\(key) : jump limit-\(number)")
      }
    }
    if let ports {
      bridgeStructure = Self.bridgeStructure(bridge)
      add(ports.flatMap { $0.capped(policy).elements })
      for (one, other) in links { add(AttachedPort.elements(linking: one, other)) }
    }
    add(published.flatMap(\.elements))
    for one in published where one.isLimited {
      guard let number = limits.firstIndex(of: Limit(one.asEndpoint)) else { continue }
      for place in 0..<one.count {
        let key = Self.key(one.proto, one.hostPort + place, one.hostPort + place)
        elements["limited", default: []].insert("\(key) : jump limit-\(number)")
      }
    }
  }

  private mutating func add(_ all: [(set: String, element: String)]) {
    for (set, element) in all { elements[set, default: []].insert(element) }
  }

  private mutating func add(_ networks: [IPNetwork], to set: String) {
    for network in networks { elements["\(set)\(network.isIPv6 ? 6 : 4)", default: []].insert(network.text) }
  }

  /// Of an endpoint of the node, but for its limits.
  static func elements(of endpoint: FirewallEndpoint) -> [(set: String, element: String)] {
    let key = key(endpoint.proto, endpoint.first, endpoint.last)
    let suffix = suffix(endpoint)
    var all = [("managed\(suffix)", key)]
    if endpoint.scope >= .cluster { all.append(("open-cluster\(suffix)", key)) }
    if endpoint.scope == .internet { all.append(("open-internet\(suffix)", key)) }
    return all
  }

  /// Single ports are found by their hash; a set of intervals is copied by the kernel at each change.
  private static func suffix(_ endpoint: FirewallEndpoint) -> String {
    endpoint.first == endpoint.last ? "" : "-ranges"
  }

  private static func key(_ proto: TransportProtocol, _ first: UInt16, _ last: UInt16) -> String {
    "\(proto.number) . \(first == last ? "\(first)" : "\(first)-\(last)")"
  }

  // MARK: - Limits

  /// Endpoints of one port with the same limit of each source share a chain, in which each has its own room.
  private struct Limit: Hashable {
    var rate: PacketRate?
    var ratePerSource: PacketRate?
    /// Of an endpoint that is counted as a whole: by a rate of all sources together, or with several ports.
    var name: String?

    init(_ endpoint: FirewallEndpoint) {
      rate = endpoint.rate
      ratePerSource = endpoint.ratePerSource
      name = endpoint.rate == nil && endpoint.first == endpoint.last ? nil : endpoint.name
    }
  }

  private static func limits(_ endpoints: [FirewallEndpoint]) -> [Limit] {
    var found: [Limit] = []
    for endpoint in endpoints where endpoint.rate != nil || endpoint.ratePerSource != nil {
      let limit = Limit(endpoint)
      if !found.contains(limit) { found.append(limit) }
    }
    return found
  }

  // MARK: - Structure

  /// The names of the sets and maps whose elements are ours to say.
  static let sets =
    [
      "cluster4", "cluster6", "peers4", "peers6", "underlay4", "underlay6", "managed", "managed-ranges", "open-cluster",
      "open-cluster-ranges", "open-internet", "open-internet-ranges", "limited", "limited-ranges", "local-ports",
      "local-ports6", "cluster-ports", "cluster-ports6", "internet-ports", "internet-ports6", "received4", "received6",
      "sent4", "sent6", "direct4", "direct6", "links", "links6", "neighbours6",
    ] + bridgeSets

  private static let bridgeSets = [
    "ports", "ports6", "targets6", "bridge-links", "bridge-links6", "bridge-neighbours6",
  ]

  static func family(of set: String) -> String { bridgeSets.contains(set) ? "bridge" : "inet" }
  static func kind(of set: String) -> String {
    set.hasPrefix("limited") || set.hasSuffix("-ports") || set.hasSuffix("-ports6") ? "map" : "set"
  }

  /// Says that the chain `forward` has let a packet pass, to the chain of the bridge that comes after it where bridged
  /// packets go through both (`bridge-nf-call-iptables`). A container cannot set it: a mark does not leave its namespace.
  private static let mark = "0x6e610000"

  private static func structure(
    _ policy: FirewallPolicy, _ limits: [Limit], bridge: String, pool: NetworkPool,
    overlay: NetworkConfiguration.Overlay?
  ) -> String {
    var text = """
        set cluster4 { type ipv4_addr; flags interval; }
        set cluster6 { type ipv6_addr; flags interval; }
        set peers4 { type ipv4_addr; flags interval; }
        set peers6 { type ipv6_addr; flags interval; }
        set underlay4 { type ipv4_addr; }
        set underlay6 { type ipv6_addr; }
        set managed { type inet_proto . inet_service; counter; }
        set managed-ranges { type inet_proto . inet_service; flags interval; counter; }
        set open-cluster { type inet_proto . inet_service; counter; }
        set open-cluster-ranges { type inet_proto . inet_service; flags interval; counter; }
        set open-internet { type inet_proto . inet_service; counter; }
        set open-internet-ranges { type inet_proto . inet_service; flags interval; counter; }
        map limited { type inet_proto . inet_service : verdict; }
        map limited-ranges { type inet_proto . inet_service : verdict; flags interval; }
        map local-ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
        map cluster-ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
        map internet-ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
        map local-ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
        map cluster-ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
        map internet-ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
        set received4 { type ipv4_addr . inet_proto . inet_service; counter; }
        set received6 { type ipv6_addr . inet_proto . inet_service; counter; }
        set sent4 { type ipv4_addr . inet_proto . inet_service; counter; }
        set sent6 { type ipv6_addr . inet_proto . inet_service; counter; }
        set direct4 { type ipv4_addr . inet_proto . inet_service; }
        set direct6 { type ipv6_addr . inet_proto . inet_service; }
        set links { type ipv4_addr . ipv4_addr; }
        set links6 { type ipv6_addr . ipv6_addr; }
        set neighbours6 { typeof ip6 saddr . @th,64,128; }

      """
    for (number, limit) in limits.enumerated() {
      if let rate = limit.ratePerSource {
        // A source is forgotten when its rate would allow it a connection again anyway; a full set limits nobody new.
        let sets = [("4", "ipv4_addr", "ip"), ("6", "ipv6_addr", "ip6")]
        // Of a shared chain the port says whose room it is.
        let (portType, port) =
          limit.name == nil ? (" . inet_proto . inet_service", " . meta l4proto . th dport") : ("", "")
        for (suffix, type, _) in sets {
          text +=
            "  set sources-\(number)-\(suffix) { type \(type)\(portType); size 65535; flags dynamic,timeout; timeout 1\(Self.letter(rate.unit)); }\n"
        }
        text += "  chain limit-\(number) {\n"
        for (suffix, _, family) in sets {
          text +=
            "    add @sources-\(number)-\(suffix) { \(family) saddr\(port) limit rate over \(rate) burst \(rate.count) packets } goto refuse\n"
        }
      } else {
        text += "  chain limit-\(number) {\n"
      }
      if let rate = limit.rate { text += "    limit rate over \(rate) burst \(rate.count) packets goto refuse\n" }
      text += "  }\n"
    }
    let (gateway, pool4, pool6) = (pool.gateway, pool.ipv4.text, pool.ipv6?.text)
    let log = policy.log.map { "limit rate \($0) log prefix \"nodeagent refused: \"" }
    return text + """
        chain refuse {
          \(log ?? "")
          counter drop
        }
        chain limits {
          type filter hook prerouting priority -150; policy accept;
          iifname "lo" return
          fib daddr type local ct state new meta l4proto . th dport vmap @limited
          fib daddr type local ct state new meta l4proto . th dport vmap @limited-ranges
        }
        chain arrive {
          type nat hook prerouting priority -100; policy accept;
          fib daddr type != local return
          iifname "\(bridge)" ip daddr \(gateway) meta l4proto { tcp, udp } th dport 53 redirect to :\(NameMethods.port)
          iifname "\(bridge)" dnat ip to meta l4proto . th dport map @local-ports
          iifname "\(bridge)" dnat ip6 to meta l4proto . th dport map @local-ports6
          iifname "\(bridge)" return
          ip saddr @cluster4 dnat ip to meta l4proto . th dport map @cluster-ports
          ip6 saddr @cluster6 dnat ip6 to meta l4proto . th dport map @cluster-ports6
          dnat ip to meta l4proto . th dport map @internet-ports
          dnat ip6 to meta l4proto . th dport map @internet-ports6
        }
        chain own {
          type nat hook output priority -100; policy accept;
          fib daddr type local dnat ip to meta l4proto . th dport map @local-ports
          ip6 daddr != ::1 fib daddr type local dnat ip6 to meta l4proto . th dport map @local-ports6
        }
        chain source {
          type nat hook postrouting priority 100; policy accept;
          oifname "\(bridge)" ip saddr 127.0.0.0/8 masquerade
          oifname "\(bridge)" ip saddr \(pool4) ct status dnat masquerade
          oifname != "\(bridge)" ip saddr \(pool4) ip daddr != @peers4 masquerade
      \(pool6.map { pool in
        """
            oifname "\(bridge)" ip6 saddr \(pool) ct status dnat masquerade
            oifname != "\(bridge)" ip6 saddr \(pool) ip6 daddr != @peers6 masquerade
        """
      } ?? "")
        }
        chain guard {
          type filter hook prerouting priority -300; policy accept;
          iifname "\(bridge)" ip daddr 127.0.0.0/8 drop
          iifname "\(bridge)-vx" ip saddr != @peers4 drop
          iifname "\(bridge)-vx" ip6 saddr != @peers6 drop
          iifname "\(bridge)" ip saddr . meta l4proto . th sport @sent4
          iifname "\(bridge)" ip6 saddr . meta l4proto . th sport @sent6
        }
        chain count {
          type filter hook postrouting priority 300; policy accept;
          oifname "\(bridge)" ip daddr . meta l4proto . th dport @received4
          oifname "\(bridge)" ip6 daddr . meta l4proto . th dport @received6
        }
        chain forward {
          type filter hook forward priority 0; policy accept;
          oifname "\(bridge)-vx" tcp flags syn tcp option maxseg size set rt mtu
          oifname "\(bridge)" ct state established,related meta mark set meta mark or \(mark) accept
          oifname "\(bridge)" ct status dnat meta mark set meta mark or \(mark) accept
          iifname "\(bridge)" oifname "\(bridge)" goto between
          oifname "\(bridge)" ip saddr @cluster4 ip daddr . meta l4proto . th dport @direct4 accept
          oifname "\(bridge)" ip6 saddr @cluster6 ip6 daddr . meta l4proto . th dport @direct6 accept
          oifname "\(bridge)" drop
        }
        chain between {
          ip saddr . ip daddr @links accept
          ip6 saddr . ip6 daddr @links6 accept
          icmpv6 type nd-neighbor-solicit ip6 saddr . @th,64,128 @neighbours6 accept
          drop
        }
        chain input {
          type filter hook input priority 0; policy accept;
          iifname "lo" accept
          ct state established,related accept
          iifname "\(bridge)" goto from-containers
          ip daddr \(gateway) meta l4proto { tcp, udp } th dport \(NameMethods.port) drop
      \(overlay.map { "    udp dport \($0.port) goto from-peers" } ?? "")
          meta l4proto . th dport @managed goto managed
          meta l4proto . th dport @managed-ranges goto managed
      \(policy.otherwise == .drop ? Self.closed : "")
        }
        chain from-containers {
          icmp type echo-request accept
          icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept
          ip daddr \(gateway) meta l4proto { tcp, udp } th dport \(NameMethods.port) accept
          drop
        }
        chain from-peers {
          ip saddr @underlay4 accept
          ip6 saddr @underlay6 accept
          goto refuse
        }
        chain managed {
          meta l4proto . th dport @open-internet accept
          meta l4proto . th dport @open-internet-ranges accept
          ip saddr @cluster4 meta l4proto . th dport @open-cluster accept
          ip saddr @cluster4 meta l4proto . th dport @open-cluster-ranges accept
          ip6 saddr @cluster6 meta l4proto . th dport @open-cluster accept
          ip6 saddr @cluster6 meta l4proto . th dport @open-cluster-ranges accept
          goto refuse
        }

      """
  }

  /// A container speaks IP, ARP and neighbour discovery (RFC 4861) from its own addresses alone, and to other containers only over an endpoint. Where
  /// bridged packets do not go through the chain `forward`, none passes between two ports.
  private static func bridgeStructure(_ bridge: String) -> String {
    """
        set ports { type ifname . ether_addr . ipv4_addr; }
        set ports6 { type ifname . ether_addr . ipv6_addr; }
        set targets6 { typeof iifname . @th,64,128; }
        set bridge-links { type ipv4_addr . ipv4_addr; }
        set bridge-links6 { type ipv6_addr . ipv6_addr; }
        set bridge-neighbours6 { typeof ip6 saddr . @th,64,128; }
        chain source-guard {
          type filter hook prerouting priority -300; policy accept;
          iifname "\(bridge)-*" ether type ip iifname . ether saddr . ip saddr != @ports drop
          iifname "\(bridge)-*" ether type arp iifname . arp saddr ether . arp saddr ip != @ports drop
          iifname "\(bridge)-*" ether type ip6 goto source-guard6
          iifname "\(bridge)-*" ether type != { ip, arp } drop
        }
        chain source-guard6 {
          icmpv6 type { nd-router-advert, nd-redirect } drop
          icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets6 drop
          ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld-listener-report, mld2-listener-report } accept
          iifname . ether saddr . ip6 saddr != @ports6 drop
        }
        chain forward {
          type filter hook forward priority 10; policy accept;
          iifname "\(bridge)-*" meta mark and \(mark) == \(mark) accept
          iifname "\(bridge)-*" ip saddr . ip daddr @bridge-links accept
          iifname "\(bridge)-*" arp saddr ip . arp daddr ip @bridge-links accept
          iifname "\(bridge)-*" ip6 saddr . ip6 daddr @bridge-links6 accept
          iifname "\(bridge)-*" icmpv6 type nd-neighbor-solicit ip6 saddr . @th,64,128 @bridge-neighbours6 accept
          iifname "\(bridge)-*" drop
        }

    """
  }

  /// What a host needs whatever its administrator says: ICMP with neighbour discovery, and leases of addresses.
  private static let closed = """
          meta l4proto { icmp, icmpv6 } accept
          udp sport 67 udp dport 68 accept
          ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
          goto refuse
    """

  private static func letter(_ unit: PacketRate.Unit) -> String {
    switch unit {
    case .second: "s"
    case .minute: "m"
    case .hour: "h"
    case .day: "d"
    }
  }
}
