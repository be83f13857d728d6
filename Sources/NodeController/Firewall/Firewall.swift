// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import HealthChecks
import JSONRPC
import LinuxKernel
import LogStore
import Logging
import Synchronization

/// Owns the instance's table: the administrator's policy, what was opened by hand, and what containers publish.
///
/// The table is there as soon as one of them needs it, stands while controllers are restarted, and goes when the agent is
/// taken down.
final class Firewall: Sendable {
  struct State {
    var enforced = FirewallState()
    var probation: FirewallProbation?
    var published: [String: [PublishedEndpoint]] = [:]
    var ports: [String: AttachedPort] = [:]
    /// The containers that each is linked to, whether they run or not.
    var links: [String: [String]] = [:]

    /// The pairs of addresses of those that run; of one container, where that is named.
    func linkedPorts(of name: String? = nil) -> [(AttachedPort, AttachedPort)] {
      links.sorted { $0.key < $1.key }.flatMap { container, others in
        others.compactMap { other in
          guard name == nil || name == container || name == other, let one = ports[container], let two = ports[other]
          else { return nil }
          return (one, two)
        }
      }
    }
    /// Containers have a network.
    var isNetworkThere = false
  }

  let table: FirewallTable
  let file: String
  let stateFile: String
  /// What was opened by hand, which changes oftener than the policy, and is smaller.
  let openedFile: String
  let probationFile: String
  private let bridge: String
  private let pool: NetworkPool
  let peers: PeerNetwork
  private let events: EventLog
  let logger: Logger
  let state = Mutex(State())
  /// What is known and what is written change together.
  private let writing = Mutex(())
  /// One change of the administrator's at a time.
  let changing = Mutex(())
  let timer = Mutex<Task<Void, Never>?>(nil)
  private let isOver = Atomic<Bool>(false)
  /// For the DNS server.
  private let names = Broadcast<NameMethods.Names>()
  /// What is told has one order.
  private let telling = Mutex(())

  init(instance: Instance, bridge: String, pool: NetworkPool, peers: PeerNetwork, events: EventLog, logger: Logger) {
    table = FirewallTable(name: "nodeagent-\(instance.id)")
    file = instance.firewall
    stateFile = "\(instance.stateDirectory)/firewall.json"
    openedFile = "\(instance.stateDirectory)/firewall-opened.json"
    probationFile = "\(instance.stateDirectory)/firewall-probation.json"
    self.bridge = bridge
    self.pool = pool
    self.peers = peers
    self.events = events
    self.logger = logger
  }

  // MARK: - Start and end

  /// Takes up what is to be enforced, and writes it. A change on probation whose time has come is taken back.
  ///
  /// - Parameters:
  ///   - published: what containers that run have published.
  ///   - links: the containers that each is linked to.
  ///   - ports: their interfaces.
  func start(
    _ published: [String: [PublishedEndpoint]], links: [String: [String]], ports: [String: AttachedPort],
    isNetworkThere: Bool
  ) throws {
    var enforced: FirewallState
    if var saved = SavedState.read(FirewallState.self, stateFile, logger: logger) {
      if let opened = SavedState.read([FirewallEndpoint].self, openedFile, logger: logger) { saved.opened = opened }
      enforced = saved
    } else {
      enforced = FirewallState()
      do {
        var first = FirewallState()
        first.policy = try FirewallParser.read(file)
        let lockedOut = lockedOut(enforced, first, [])
        guard lockedOut.isEmpty else {
          throw RPCError(
            .wrongState,
            "it would lock out \(lockedOut.joined(separator: ", ")); nodeagent firewall apply --force applies it all the same"
          )
        }
        enforced = first
      } catch {
        // The node has to come up.
        logger.error("firewall.yaml cannot be used", metadata: ["problem": "\(error)"])
        events.add(
          kind: "firewall", name: table.name, event: "policy refused", severity: .error, cause: "\(error)",
          correlation: nil)
      }
    }
    var probation = SavedState.read(FirewallProbation.self, probationFile, logger: logger)
    let isExpired = probation.map { $0.until <= Clock.wallMicroseconds() } ?? false
    if let expired = probation, isExpired {
      enforced = expired.before
      try save(enforced)
      try FileSystem.remove(probationFile)
      probation = nil
    }
    state.withLock {
      $0.enforced = enforced
      $0.probation = probation
      $0.published = published
      $0.ports = ports
      $0.links = links
      $0.isNetworkThere = isNetworkThere
    }
    do {
      try write()
    } catch {
      // The node has to come up; a container that needs the table is told why it cannot start.
      logger.error("the firewall cannot be written", metadata: ["error": "\(error)"])
      tell("not written", "\(error)", nil, severity: .error)
    }
    if probation != nil { armTimer() }
    if isExpired { tell("rolled back", "nobody confirmed it in time", nil, severity: .warning) }
    do {
      try watch()
    } catch {
      logger.error("changes of the firewall by others are not noticed", metadata: ["error": "\(error)"])
    }
  }

  /// Nothing of it stays.
  func remove() throws {
    isOver.store(true, ordering: .relaxed)
    timer.withLock { $0?.cancel() }
    state.withLock {
      $0.published = [:]
      $0.ports = [:]
      $0.isNetworkThere = false
    }
    try table.remove()
  }

  /// Writes what is wanted now; no table where nothing is.
  func write() throws { try writing.withLock { _ in try writeAlone() } }

  /// Changes the administrator's endpoints, at the cost of the change where only those change, and have no limits.
  func write(from before: FirewallState, to next: FirewallState) throws {
    guard let (gone, come) = before.endpointChanges(to: next), table.exists, next != FirewallState() else {
      return try write()
    }
    try writing.withLock { _ in
      try table.change(
        adding: come.flatMap(FirewallImage.elements), removing: gone.flatMap(FirewallImage.elements))
    }
  }

  /// While `writing` is held.
  private func writeAlone() throws {
    let (image, isNeeded) = state.withLock { state in
      (
        FirewallImage(
          policy: state.enforced.policy, opened: state.enforced.opened,
          published: state.published.values.flatMap { $0 },
          ports: state.isNetworkThere ? Array(state.ports.values) : nil, links: state.linkedPorts(), peers: peers.peers,
          overlay: peers.overlay, bridge: bridge, pool: pool),
        state.isNetworkThere || !peers.peers.isEmpty || state.enforced != FirewallState() || !state.published.isEmpty
      )
    }
    if isNeeded { try table.write(image) } else if table.exists { try table.remove() }
  }

  func save(_ enforced: FirewallState) throws {
    try FileSystem.replace(stateFile, with: try JSONCoding.encode(enforced), mode: 0o600, durable: true)
    try saveOpened(enforced)
  }

  func saveOpened(_ enforced: FirewallState) throws {
    try FileSystem.replace(openedFile, with: try JSONCoding.encode(enforced.opened), mode: 0o600, durable: true)
  }

  /// Containers are about to have a network.
  func prepareNetwork() throws {
    let was = state.withLock { state in
      defer { state.isNetworkThere = true }
      return state.isNetworkThere
    }
    if !was || !table.exists { try write() }
  }

  // MARK: - Containers

  /// Lets a container's interface speak, to those that it is linked to as well, and publishes its endpoints: one transaction.
  func admit(
    _ container: String, _ port: AttachedPort, _ endpoints: [PublishedEndpoint], links: [String]
  ) throws {
    try state.withLock { state throws(RPCError) in
      for endpoint in endpoints {
        let declared = state.enforced.policy.endpoints + state.enforced.opened
        if let other = declared.first(where: { $0.overlaps(endpoint.asEndpoint) }) {
          throw RPCError(
            .alreadyExists,
            "endpoint \(endpoint.name): port \(endpoint.asEndpoint.portsText) of the node is \(other.name)'s in the firewall's policy; choose another with --publish \(endpoint.name)=PORT"
          )
        }
      }
    }
    try writing.withLock { _ in
      let (pairs, policy) = state.withLock { state in
        state.published[container] = endpoints
        state.ports[container] = port
        state.links[container] = links
        return (state.linkedPorts(of: container), state.enforced.policy)
      }
      do {
        if endpoints.contains(where: \.isLimited) {
          // Limits are chains of their own, and not elements.
          try writeAlone()
        } else {
          try table.change(
            adding: endpoints.flatMap { $0.capped(policy).elements } + port.capped(policy).elements
              + pairs.flatMap(AttachedPort.elements(linking:_:)))
        }
      } catch {
        state.withLock {
          $0.published[container] = nil
          $0.ports[container] = nil
          $0.links[container] = nil
        }
        throw error
      }
    }
    tellNames()
  }

  func withdraw(_ container: String) throws {
    try writing.withLock { _ in
      let (endpoints, port, pairs, policy) = state.withLock { state in
        let pairs = state.linkedPorts(of: container)
        state.links[container] = nil
        return (
          state.published.removeValue(forKey: container) ?? [], state.ports.removeValue(forKey: container), pairs,
          state.enforced.policy
        )
      }
      guard let port, table.exists else { return }
      if endpoints.contains(where: \.isLimited) { return try writeAlone() }
      try table.change(
        removing: endpoints.flatMap { $0.capped(policy).elements } + port.capped(policy).elements
          + pairs.flatMap(AttachedPort.elements(linking:_:)))
    }
    tellNames()
  }

  /// The containers that have an address, with their endpoints.
  var currentNames: NameMethods.Names {
    state.withLock { state in
      NameMethods.Names(
        gateway: pool.gateway, networks: [pool.ipv4, pool.ipv6].compactMap { $0?.text },
        containers: state.ports.sorted { $0.key < $1.key }.map { name, port in
          NameMethods.Container(
            name: name, address: port.address, address6: port.address6,
            endpoints: port.served.map { .init(name: $0.name, proto: $0.proto, port: $0.port) })
        })
    }
  }

  /// The names now, and whenever they change: none comes in between.
  func followNames() -> AsyncStream<NameMethods.Names> { telling.withLock { _ in names.listen(currentNames) } }

  private func tellNames() { telling.withLock { _ in names.send(currentNames) } }

  /// Ports of the node that containers have.
  var publishedPorts: Set<HostPort> {
    state.withLock { state in
      Set(
        state.published.values.joined().flatMap { endpoint in
          (0..<endpoint.count).map { HostPort(endpoint.proto, endpoint.hostPort + $0) }
        })
    }
  }

  /// The containers' ports, with what each publishes and is linked to.
  var attached: [(name: String, port: AttachedPort, published: [PublishedEndpoint], links: [String])] {
    state.withLock { state in
      state.ports.sorted { $0.key < $1.key }.map {
        ($0.key, $0.value, state.published[$0.key] ?? [], state.links[$0.key] ?? [])
      }
    }
  }

  func tell(_ event: String, _ cause: String?, _ correlation: String?, severity: AgentEvent.Severity = .info) {
    events.add(
      kind: "firewall", name: table.name, event: event, severity: severity, cause: cause, correlation: correlation)
  }

  // MARK: - Drift

  private func watch() throws {
    let watch = try FirewallWatch()
    let name = table.name
    try NamedThread.start("firewall-watch") { [weak self] in
      watch.follow(name, isOver: { self?.isOver.load(ordering: .relaxed) ?? true }) { notice in
        self?.mend(by: notice.by)
      }
    }
  }

  /// Compares the kernel's table with what should be there, and mends it.
  func mend(by author: String? = nil) {
    do {
      guard let wrong = try table.mend() else { return }
      let cause = author.map { "\($0) changed it: \(wrong)" } ?? wrong
      logger.warning("the firewall was mended", metadata: ["cause": "\(cause)"])
      tell("mended", cause, nil, severity: .warning)
    } catch {
      logger.error("the firewall cannot be mended", metadata: ["error": "\(error)"])
      tell("not mended", "\(error)", nil, severity: .error)
    }
  }
}
