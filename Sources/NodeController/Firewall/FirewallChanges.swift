// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// What the administrator changes, and the time in which a change has to be confirmed.
extension Firewall {
  func list() -> FirewallMethods.Listing {
    let state = state.withLock { $0 }
    var views = state.enforced.policy.endpoints.map { FirewallMethods.View(source: .file, endpoint: $0) }
    views += state.enforced.opened.map { .init(source: .opened, endpoint: $0) }
    for (container, endpoints) in state.published.sorted(by: { $0.key < $1.key }) {
      views += endpoints.map {
        .init(
          source: .container, endpoint: $0.capped(state.enforced.policy).asEndpoint, container: container,
          target: "\($0.address):\($0.port)")
      }
    }
    return FirewallMethods.Listing(
      table: table.name, policy: state.enforced.policy, endpoints: views,
      unconfirmedUntil: state.probation.map { Timestamp.text(microseconds: $0.until) })
  }

  func apply(_ change: FirewallMethods.Change, correlation: String?) throws -> FirewallMethods.Plan {
    let policy: FirewallPolicy
    do {
      policy = try FirewallParser.read(file)
    } catch {
      throw RPCError(.invalidParams, "nothing was changed: \((error as? RPCError)?.message ?? "\(error)")")
    }
    return try enforce(change, correlation) { $0.policy = policy }
  }

  func open(_ open: FirewallMethods.Open, correlation: String?) throws -> FirewallMethods.Plan {
    let endpoint = open.endpoint
    guard ContainerSpec.problem(withName: endpoint.name) == nil else {
      throw RPCError(.invalidParams, "params.endpoint.name is no name")
    }
    guard endpoint.first > 0, endpoint.first <= endpoint.last else {
      throw RPCError(.invalidParams, "params.endpoint: ports are from 1 to 65535, the first not after the last")
    }
    for rate in [endpoint.rate, endpoint.ratePerSource] {
      guard rate.map({ (1...1_000_000).contains($0.count) }) ?? true else {
        throw RPCError(.invalidParams, "params.endpoint: a rate is from 1 to 1000000")
      }
    }
    return try enforce(open.change, correlation) { state throws(RPCError) in
      if let other = (state.policy.endpoints + state.opened).first(where: { $0.name == endpoint.name }) {
        throw RPCError(.alreadyExists, "\(other.name) is open already: \(other.portsText)")
      }
      if let other = (state.policy.endpoints + state.opened).first(where: { $0.overlaps(endpoint) }) {
        throw RPCError(.alreadyExists, "\(endpoint.portsText) overlaps with \(other.name), \(other.portsText)")
      }
      state.opened.append(endpoint)
    }
  }

  func close(_ close: FirewallMethods.Close, correlation: String?) throws -> FirewallMethods.Plan {
    try enforce(close.change, correlation) { state throws(RPCError) in
      guard state.opened.contains(where: { $0.name == close.name }) else {
        let isDeclared = state.policy.endpoints.contains { $0.name == close.name }
        throw RPCError(
          isDeclared ? .wrongState : .notFound,
          isDeclared
            ? "\(close.name) stands in firewall.yaml; take it out there, and apply that"
            : "nothing with the name \(close.name.prefix(64)) was opened; nodeagent firewall ls lists what is open")
      }
      state.opened.removeAll { $0.name == close.name }
    }
  }

  func confirm(correlation: String?) throws {
    try changing.withLock { _ in
      guard state.withLock({ $0.probation != nil }) else {
        throw RPCError(.wrongState, "nothing is on probation")
      }
      try FileSystem.remove(probationFile)
      state.withLock { $0.probation = nil }
    }
    timer.withLock { $0?.cancel() }
    tell("confirmed", nil, correlation)
  }

  private func enforce(
    _ change: FirewallMethods.Change, _ correlation: String?, _ body: (inout FirewallState) throws(RPCError) -> Void
  ) throws -> FirewallMethods.Plan {
    try changing.withLock { _ in try enforceAlone(change, correlation, body) }
  }

  /// Changes what is enforced: checks it, writes down how to come back where that is asked for, and then does it.
  private func enforceAlone(
    _ change: FirewallMethods.Change, _ correlation: String?, _ body: (inout FirewallState) throws(RPCError) -> Void
  ) throws -> FirewallMethods.Plan {
    let before = state.withLock { $0.enforced }
    var next = before
    try body(&next)
    try check(next, after: before)
    var plan = FirewallMethods.Plan(
      changes: before.changes(to: next), lockedOut: lockedOut(before, next, change.protect ?? []))
    if change.dryRun == true { return plan }
    guard plan.lockedOut.isEmpty || change.force == true else {
      throw RPCError(
        .wrongState,
        "nothing was changed: it would lock out \(plan.lockedOut.joined(separator: ", ")); open that port, or use --force"
      )
    }
    let earlier = state.withLock { $0.probation }
    if earlier != nil, change.confirmWithin == nil {
      throw RPCError(
        .wrongState,
        "nothing was changed: what was changed before is on probation, and would take this with it; confirm it first, or use --confirm-within"
      )
    }
    if let pause = change.confirmWithin {
      guard (1000...3_600_000).contains(pause) else {
        throw RPCError(.invalidParams, "confirmWithin is from 1 s to 1 h")
      }
      // What was confirmed last is what is come back to.
      let probation = FirewallProbation(
        before: earlier?.before ?? before, until: Clock.wallMicroseconds() + pause * 1000)
      try FileSystem.replace(probationFile, with: try JSONCoding.encode(probation), mode: 0o600, durable: true)
      state.withLock { $0.probation = probation }
    }
    do {
      try enforce(next)
    } catch {
      state.withLock { $0.probation = earlier }
      // Where even that fails, what is on the disk leads back to the same state.
      if let earlier {
        try? FileSystem.replace(probationFile, with: try JSONCoding.encode(earlier), mode: 0o600, durable: true)
      } else {
        try? FileSystem.remove(probationFile)
      }
      throw error
    }
    if change.confirmWithin != nil { armTimer() }
    plan.done = true
    if !plan.changes.isEmpty { tell("changed", plan.changes.joined(separator: "; "), correlation) }
    return plan
  }

  /// The kernel first: what it refuses is not remembered.
  private func enforce(_ next: FirewallState) throws {
    let before = state.withLock { state in
      defer { state.enforced = next }
      return state.enforced
    }
    do {
      try write(from: before, to: next)
      if next.policy == before.policy, FileSystem.exists(stateFile) { try saveOpened(next) } else { try save(next) }
    } catch {
      state.withLock { $0.enforced = before }
      do {
        try write()
      } catch let second {
        logger.error("the firewall could not be changed back", metadata: ["error": "\(second)"])
      }
      throw error
    }
  }

  private func check(_ next: FirewallState, after before: FirewallState) throws(RPCError) {
    let published = state.withLock { $0.published.values.flatMap { $0 } }
    if next.policy == before.policy {
      // What is opened has been compared with the others already.
      for endpoint in next.opened where !before.opened.contains(endpoint) {
        guard let other = published.first(where: { $0.asEndpoint.overlaps(endpoint) }) else { continue }
        throw RPCError(
          .alreadyExists,
          "nothing was changed: \(endpoint.name) (\(endpoint.portsText)) has a port that container \(other.container) publishes"
        )
      }
      return
    }
    let all = next.policy.endpoints + next.opened
    if let (first, second) = EndpointOverlap.find(all) {
      throw RPCError(
        .alreadyExists,
        "nothing was changed: \(all[first].name) (\(all[first].portsText)) and \(all[second].name) (\(all[second].portsText)) overlap, or have the same name"
      )
    }
    let mixed = all + published.map(\.asEndpoint)
    if let (first, second) = EndpointOverlap.find(mixed) {
      throw RPCError(
        .alreadyExists,
        "nothing was changed: \(mixed[first].name) (\(mixed[first].portsText)) has a port that container \(published[second - all.count].container) publishes"
      )
    }
  }

  /// Whoever is connected and could not connect again.
  func lockedOut(
    _ before: FirewallState, _ next: FirewallState, _ protect: [FirewallMethods.Connection]
  ) -> [String] {
    var lines: [String] = []
    for connection in protect + EstablishedConnections.to(port: 22) {
      // From the node itself everything is reached.
      guard let source = IPNetwork.address(connection.source), source.first != 127,
        source != Array(repeating: 0, count: 15) + [1]
      else { continue }
      let line = "\(connection.source) at port \(connection.port)"
      if before.verdict(peers: peers.peers).accepts(from: connection.source, to: connection.port),
        !next.verdict(peers: peers.peers).accepts(from: connection.source, to: connection.port), !lines.contains(line)
      {
        lines.append(line)
      }
    }
    return lines
  }

  // MARK: - Probation

  func armTimer() {
    timer.withLock { timer in
      timer?.cancel()
      timer = Task { [weak self] in
        while let until = self?.state.withLock({ $0.probation?.until }) {
          let left = until - Clock.wallMicroseconds()
          guard left > 0 else {
            self?.rollBack()
            return
          }
          try? await Task.sleep(for: .microseconds(min(left, 1_000_000)))
          if Task.isCancelled { return }
        }
      }
    }
  }

  private func rollBack() {
    do {
      let isDone = try changing.withLock { _ in
        // Confirmed, or replaced by a later one, meanwhile.
        guard let probation = state.withLock({ $0.probation }), probation.until <= Clock.wallMicroseconds() else {
          return false
        }
        try enforce(probation.before)
        try FileSystem.remove(probationFile)
        state.withLock { $0.probation = nil }
        return true
      }
      guard isDone else { return }
      tell("rolled back", "nobody confirmed it in time", nil, severity: .warning)
    } catch {
      logger.error("the firewall could not be rolled back", metadata: ["error": "\(error)"])
    }
  }
}
