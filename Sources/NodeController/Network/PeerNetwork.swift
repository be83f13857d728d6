// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import LogStore
import Logging
import Synchronization

/// The ways to the containers of other nodes: routes with the nodes as gateways, and a VXLAN where there are none.
///
/// Peers are what `network.yaml` says and what callers have added; the kernel's routes are made to agree with them whenever links,
/// addresses or routes change.
final class PeerNetwork: Sendable {
  private struct State {
    var declared: [NetworkPeer] = []
    var learned: [NetworkPeer] = []
    var overlay = NetworkConfiguration.Overlay()
    /// Why there is no way to a peer, by its name.
    var problems: [String: String] = [:]
  }

  private let pool: NetworkPool
  private let bridge: String
  private let device: String
  private let file: String
  private let madeFile: String
  private let events: EventLog
  private let logger: Logger
  private let state = Mutex(State())
  /// One change of the kernel's routes at a time.
  private let working = Mutex(())
  private let isOver = Atomic<Bool>(false)

  init(instance: Instance, pool: NetworkPool, bridge: String, events: EventLog, logger: Logger) {
    self.pool = pool
    self.bridge = bridge
    device = "\(bridge)-vx"
    file = "\(instance.stateDirectory)/network-peers.json"
    madeFile = "\(instance.runDirectory)/network-routes.json"
    self.events = events
    self.logger = logger
  }

  var overlay: NetworkConfiguration.Overlay { state.withLock { $0.overlay } }
  var peers: [NetworkPeer] { state.withLock { $0.declared + $0.learned } }

  func views() -> [NetworkMethods.PeerView] {
    state.withLock { state in
      state.declared.map { .init(source: .file, peer: $0, problem: state.problems[$0.name]) }
        + state.learned.map { .init(source: .added, peer: $0, problem: state.problems[$0.name]) }
    }
  }

  /// Takes up what the file says and what was added before.
  func load(_ configuration: NetworkConfiguration) {
    // The node has to come up: what cannot be used beside the others, or with its own pool, is told and left out.
    var declared: [NetworkPeer] = []
    for peer in configuration.peers where isUsable(peer, beside: declared) { declared.append(peer) }
    var learned: [NetworkPeer] = []
    for peer in SavedPeers.read(file, logger: logger) where isUsable(peer, beside: declared + learned) {
      learned.append(peer)
    }
    let (first, second) = (declared, learned)
    state.withLock {
      $0.declared = first
      $0.overlay = configuration.overlay
      $0.learned = second
    }
  }

  private func isUsable(_ peer: NetworkPeer, beside others: [NetworkPeer]) -> Bool {
    do {
      try check(peer, beside: others)
      return true
    } catch {
      logger.error("a peer cannot be used", metadata: ["peer": "\(peer.name)", "problem": "\(error.message)"])
      events.add(
        kind: "network", name: peer.name, event: "peer refused", severity: .error, cause: error.message,
        correlation: nil)
      return false
    }
  }

  /// - Throws: `already exists` where what was added before is in the way; nothing is changed then.
  func configure(_ configuration: NetworkConfiguration) throws {
    let learned = state.withLock { $0.learned }
    for peer in configuration.peers { try check(peer, beside: learned) }
    state.withLock {
      $0.declared = configuration.peers
      $0.overlay = configuration.overlay
    }
  }

  func add(_ peer: NetworkPeer) throws {
    var peer = peer
    // As the kernel writes them.
    peer.pool = IPNetwork(peer.pool)?.text ?? peer.pool
    peer.pool6 = peer.pool6.map { IPNetwork($0)?.text ?? $0 }
    peer.address = IPNetwork(peer.address)?.text ?? peer.address
    try check(peer, beside: peers)
    var learned = state.withLock { $0.learned }
    guard learned.count < 1000 else { throw RPCError(.noSpace, "there are 1000 peers already") }
    learned.append(peer)
    try SavedPeers.write(learned, file)
    let all = learned
    state.withLock { $0.learned = all }
  }

  func remove(_ name: String) throws {
    let (declared, learned) = state.withLock { ($0.declared, $0.learned) }
    guard learned.contains(where: { $0.name == name }) else {
      throw declared.contains(where: { $0.name == name })
        ? RPCError(.wrongState, "\(name) stands in network.yaml; take it out there, and apply that")
        : RPCError(.notFound, "there is no peer \(name.prefix(64)); nodeagent network ls lists them")
    }
    let left = learned.filter { $0.name != name }
    try SavedPeers.write(left, file)
    state.withLock { $0.learned = left }
  }

  private func check(_ peer: NetworkPeer, beside others: [NetworkPeer]) throws(RPCError) {
    if let problem = NetworkParser.problem(with: peer, beside: others) {
      throw RPCError(.invalidParams, "nothing was changed: the peer \(problem)")
    }
    let networks = [peer.pool, peer.pool6].compactMap { $0 }.compactMap { IPNetwork($0) }
    for own in [pool.ipv4, pool.ipv6].compactMap({ $0 }) where networks.contains(where: { $0.overlaps(own) }) {
      throw RPCError(
        .alreadyExists,
        "nothing was changed: the pool of \(peer.name) overlaps with this node's own, \(own.text); give each node another in network.yaml"
      )
    }
  }

  // MARK: - The kernel

  /// Makes devices and routes agree with the peers; what cannot be done is said, and tried again when something changes.
  func write() throws {
    let (peers, overlay) = state.withLock { ($0.declared + $0.learned, $0.overlay) }
    try working.withLock { _ in
      let netlink = try Netlink()
      var index: Int32 = 0
      var overlayProblem: String?
      do {
        index = try device(netlink, overlay, isNeeded: peers.contains { $0.via == .vxlan })
      } catch {
        overlayProblem = "\(error); does the kernel have the module vxlan?"
      }
      var problems: [String: String] = [:]
      var wanted: [(peer: NetworkPeer, route: KernelRoute)] = []
      for peer in peers {
        if peer.via == .vxlan, let overlayProblem {
          problems[peer.name] = overlayProblem
          continue
        }
        do {
          wanted += try routes(to: peer, netlink, device: index).map { (peer, $0) }
        } catch {
          problems[peer.name] = "\(error)"
        }
      }
      // Another instance's are not ours to judge.
      let known = madeNetworks
      let present = try netlink.routes(of: KernelRoute.ours).filter { route in
        known.contains(route.network) || wanted.contains { $0.route.network == route.network }
      }
      for route in present where !wanted.contains(where: { Self.isSame($0.route, route) }) {
        try netlink.removeRoute(route)
      }
      for (peer, route) in wanted where !present.contains(where: { Self.isSame(route, $0) }) {
        do throws(SyscallError) {
          try netlink.addRoute(route)
        } catch {
          problems[peer.name] = Self.explain(error, route)
        }
      }
      let networks = Set(wanted.map(\.route.network))
      if networks != known {
        try FileSystem.replace(madeFile, with: try JSONCoding.encode(networks.sorted()), mode: 0o600)
      }
      tell(problems)
    }
  }

  /// The networks that routes of this instance lead to, also those of a node controller before this one.
  private var madeNetworks: Set<String> {
    guard FileSystem.exists(madeFile) else { return [] }
    return Set((try? JSONCoding.decode([String].self, from: FileSystem.read(madeFile))) ?? [])
  }

  private static func isSame(_ wanted: KernelRoute, _ present: KernelRoute) -> Bool {
    wanted.network == present.network && wanted.gateway == present.gateway
      && (wanted.index == nil || wanted.index == present.index)
  }

  private static func explain(_ error: SyscallError, _ route: KernelRoute) -> String {
    if error.errno == EEXIST { return "there is a route to \(route.network) that is not the agent's" }
    return
      "\(route.gateway) is in no network of this node (\(error.detail ?? SyscallError.words(for: error.errno))); where it is behind a router, use via: vxlan"
  }

  /// The VXLAN device's index; 0 where none is needed.
  private func device(_ netlink: Netlink, _ overlay: NetworkConfiguration.Overlay, isNeeded: Bool) throws -> Int32 {
    if let present = netlink.vxlan(device) {
      if isNeeded, present.overlay == overlay { return present.index }
      try netlink.removeLink(device)
    }
    guard isNeeded else { return 0 }
    try netlink.addVXLAN(device, overlay, hardwareAddress: Self.hardwareAddress(of: pool.ipv4))
    let index = netlink.index(of: device)
    // What comes out of it has addresses of other nodes' containers only; nothing in it is to configure this node.
    for setting in ["ipv6/conf/\(device)/accept_ra", "ipv6/conf/\(device)/autoconf"] {
      let path = "/proc/sys/net/\(setting)"
      if FileSystem.exists(path) { try FileSystem.write("0", toExisting: path) }
    }
    return index
  }

  /// A node's address in the VXLAN follows from its pool, which all its peers know.
  static func hardwareAddress(of pool: IPNetwork) -> [UInt8] { [0x02, 0x76] + pool.bytes.prefix(4) }

  private func routes(to peer: NetworkPeer, _ netlink: Netlink, device: Int32) throws -> [KernelRoute] {
    guard let network = IPNetwork(peer.pool) else { return [] }
    let network6 = pool.ipv6 == nil ? nil : peer.pool6.flatMap { IPNetwork($0) }
    switch peer.via {
    case .route:
      var routes = [KernelRoute(network: network.text, gateway: peer.address, maker: KernelRoute.ours)]
      if let network6,
        let gateway = [peer.address6, peer.address].compactMap({ $0 }).first(where: { $0.contains(":") })
      {
        routes.append(KernelRoute(network: network6.text, gateway: gateway, maker: KernelRoute.ours))
      }
      return routes
    case .vxlan:
      let hardware = Self.hardwareAddress(of: network)
      try netlink.addForwarding(hardware, to: peer.address, over: device)
      var routes: [KernelRoute] = []
      for (network, source) in [(network, pool.gateway), (network6, pool.gateway6)] {
        guard let network else { continue }
        try netlink.addNeighbour(network.address(1), hardwareAddress: hardware, over: device)
        routes.append(
          KernelRoute(
            network: network.text, gateway: network.address(1), index: device, isOnLink: true, source: source,
            maker: KernelRoute.ours))
      }
      return routes
    }
  }

  private func tell(_ problems: [String: String]) {
    let before = state.withLock { state in
      defer { state.problems = problems }
      return state.problems
    }
    for (name, problem) in problems.sorted(by: { $0.key < $1.key }) where before[name] != problem {
      logger.warning("no way to a peer", metadata: ["peer": "\(name)", "problem": "\(problem)"])
      events.add(
        kind: "network", name: name, event: "unreachable", severity: .warning, cause: problem, correlation: nil)
    }
    for name in before.keys.sorted() where problems[name] == nil && peers.contains(where: { $0.name == name }) {
      events.add(kind: "network", name: name, event: "reachable", cause: nil, correlation: nil)
    }
  }

  /// Writes again whenever something changes that routes depend on.
  func watch() throws {
    let watch = try RouteWatch()
    try NamedThread.start("network-watch") { [weak self] in
      watch.follow(isOver: { self?.isOver.load(ordering: .relaxed) ?? true }) {
        guard let self, !self.peers.isEmpty else { return }
        do {
          try self.write()
        } catch {
          self.logger.error("the routes to peers cannot be written", metadata: ["error": "\(error)"])
        }
      }
    }
  }

  func end() throws {
    isOver.store(true, ordering: .relaxed)
    state.withLock {
      $0.declared = []
      $0.learned = []
    }
    try write()
  }
}

/// `network-peers.json`: peers that callers have added.
private enum SavedPeers {
  static func read(_ path: String, logger: Logger) -> [NetworkPeer] {
    guard FileSystem.exists(path) else { return [] }
    do {
      return try JSONCoding.decode([NetworkPeer].self, from: FileSystem.read(path))
    } catch {
      logger.error("the peers that were added cannot be read", metadata: ["file": "\(path)", "error": "\(error)"])
      return []
    }
  }

  static func write(_ peers: [NetworkPeer], _ path: String) throws {
    try FileSystem.replace(path, with: try JSONCoding.encode(peers), mode: 0o600, durable: true)
  }
}
