// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import LogStore
import Logging
import Synchronization

/// The containers' identities: asked for before a start, renewed while they run, ended with them.
final class IdentityClient: Sendable {
  private struct State {
    /// The agent of each container that runs, or is being started.
    var agents: [String: String] = [:]
    /// Names whose identity is being asked for: its agent is not known yet, and not to be taken for one left over.
    var asking: Set<String> = []
    /// Renewals that are under way, by agent.
    var renewing: Set<String> = []
  }

  private let instance: Instance
  private let events: EventLog
  private let logger: Logger
  private let state = Mutex(State())

  /// Of a start, for the token; signing goes on behind it.
  private static let patienceSeconds = 15
  private static let pause: Duration = .seconds(10)

  init(instance: Instance, events: EventLog, logger: Logger) {
    self.instance = instance
    self.events = events
    self.logger = logger
  }

  private func client() throws -> RPCClient {
    try RPCClient(path: instance.certificateSocket, seconds: Self.patienceSeconds)
  }

  // MARK: - Start and end

  /// Asks for the identity of a container that is about to be started. Waits.
  func request(_ name: String, _ record: ContainerRecord) throws -> CertMethods.Token {
    state.withLock { _ = $0.asking.insert(name) }
    defer { state.withLock { _ = $0.asking.remove(name) } }
    let wanted = record.identity ?? .init()
    let token: CertMethods.Token
    do {
      token = try client().call(
        CertMethods.request,
        .init(
          subsystem: Self.label(record.descriptor.name), uid: record.firstUID, name: name,
          endpoints: record.descriptor.endpoints.map { .init(name: $0.name, proto: $0.proto, port: $0.port) },
          roles: ["component"], key: wanted.key, life: wanted.life),
        deadline: Int64(Self.patienceSeconds) * 1000)
    } catch let error as RPCError {
      throw RPCError(.startFailed, "the certificate manager gives it no identity: \(error.message)", data: error.data)
    }
    state.withLock { $0.agents[name] = token.agent }
    return token
  }

  /// The kind of sub-system that a bundle is: what its name has and a DNS label cannot becomes a hyphen.
  static func label(_ name: String) -> String {
    let text = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
    let trimmed = text.drop { $0 == "-" }.reversed().drop { $0 == "-" }.reversed()
    return trimmed.isEmpty ? "bundle" : String(trimmed)
  }

  /// One that an earlier controller has started, and that runs.
  func adopt(_ name: String, agent: String) { state.withLock { $0.agents[name] = agent } }

  /// The container has ended. Where the manager is away now, it is told when it comes back.
  func end(_ name: String) async {
    guard let agent = state.withLock({ $0.agents.removeValue(forKey: name) }) else { return }
    await end(agent: agent)
  }

  private func end(agent: String) async {
    do {
      _ = try await Blocking.run { [self] in try client().call(CertMethods.revoke, .init(agent: agent)) }
    } catch let error as RPCError where error.code == .notFound {
      // It is over already.
    } catch {
      logger.notice("an identity's end was not told", metadata: ["agent": "\(agent)", "error": "\(error)"])
    }
  }

  // MARK: - Renewal

  /// Follows the manager: hands over what was renewed, and ends what belongs to no container that runs.
  ///
  /// - Parameter take: has a container take up its next certificate with a token.
  func run(take: @escaping @Sendable (_ name: String, _ token: String) async throws -> Void) async {
    var own: Set<String> = []
    let follower = TopicFollower(path: instance.certificateSocket, logger: logger)
    let views = follower.follow(CertMethods.watch, keeping: 10_000) { CertMethods.Query() }
    for await view in views {
      if view.parent == nil {
        // Of several one is this controller now; what others before it had asked for is its own, too.
        if view.subsystem == "container-controller" { own.insert(view.agent) }
        continue
      }
      guard let parent = view.parent, let name = view.name, view.state != .ended else { continue }
      guard own.contains(parent) else { continue }
      let isOurs = state.withLock { $0.agents[name] == view.agent || $0.asking.contains(name) }
      guard isOurs else {
        logger.info("ending an identity of nobody", metadata: ["container": "\(name)", "agent": "\(view.agent)"])
        await end(agent: view.agent)
        continue
      }
      guard view.fresh ?? false, state.withLock({ $0.renewing.insert(view.agent).inserted }) else { continue }
      Task { await self.renew(name, view.agent, take) }
    }
  }

  /// Tries until the container has it, or has ended.
  private func renew(
    _ name: String, _ agent: String, _ take: @Sendable (_ name: String, _ token: String) async throws -> Void
  ) async {
    defer { state.withLock { _ = $0.renewing.remove(agent) } }
    while state.withLock({ $0.agents[name] == agent }) {
      do {
        let token = try await Blocking.run { [self] in
          try client().call(CertMethods.token, .init(agent: agent), deadline: 10_000)
        }
        try await take(name, token.token)
        events.add(
          kind: "container", name: name, event: "identity renewed", cause: nil, correlation: nil, data: ["agent": agent]
        )
        return
      } catch {
        logger.warning("an identity was not renewed", metadata: ["container": "\(name)", "error": "\(error)"])
      }
      try? await Task.sleep(for: Self.pause)
    }
  }
}
