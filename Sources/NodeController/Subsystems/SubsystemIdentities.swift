// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging
import Synchronization

/// The identities of sub-systems: asked for before a start, renewed while they run, ended with them.
final class SubsystemIdentities: Sendable {
  private struct State {
    /// The agent of each sub-system that runs, or is being started.
    var agents: [String: String] = [:]
    /// Names whose identity is being asked for: its agent is not known yet, and not to be taken for one left over.
    var asking: Set<String> = []
    /// Those that have ended and of which the manager may not know that.
    var ended: Set<String> = []
  }

  private let state = Mutex(State())
  private let instance: Instance
  private let logger: Logger

  /// The manager is a sub-system itself, and may be starting, too.
  private static let patience: UInt64 = 20_000_000_000

  init(instance: Instance, logger: Logger) {
    self.instance = instance
    self.logger = logger
  }

  private func client() throws -> RPCClient { try RPCClient(path: instance.certificateSocket, seconds: 15) }

  /// - Returns: `nil` for one that is to have none.
  /// - Throws: `start failed` where the manager gives it none, or is not there for long.
  func request(_ spec: SubsystemSpec) async throws -> CertMethods.Token? {
    guard let wanted = spec.identity else { return nil }
    state.withLock { _ = $0.asking.insert(spec.name) }
    defer { state.withLock { _ = $0.asking.remove(spec.name) } }
    let deadline = Clock.monotonicNanoseconds() + Self.patience
    while true {
      do {
        let token = try await Blocking.run { [self] in
          try client().call(
            CertMethods.request,
            .init(
              subsystem: AgentLabel.make(spec.name), uid: 0, name: spec.name,
              endpoints: spec.sockets.compactMap(Self.endpoint), roles: ["component"], key: wanted.key,
              life: wanted.life),
            deadline: 15_000)
        }
        adopt(spec.name, token.agent)
        return token
      } catch let error as RPCError {
        guard error.code == .unavailable, Clock.monotonicNanoseconds() < deadline else {
          throw RPCError(
            .startFailed, "\(spec.name): the certificate manager gives it no identity: \(error.message)",
            data: error.data)
        }
      }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  /// What its certificate says of a socket of the network.
  private static func endpoint(_ socket: SubsystemSpec.Socket) -> NamedPort? {
    guard let address = ListenAddress(socket.listen), address.kind != .unix else { return nil }
    return NamedPort(name: socket.name, proto: address.kind == .tcp ? .tcp : .udp, port: address.port)
  }

  func adopt(_ name: String, _ agent: String) { state.withLock { $0.agents[name] = agent } }

  /// It has ended. Where the manager is away now, it is told when it comes back.
  func end(_ agent: String) async {
    state.withLock { state in
      state.agents = state.agents.filter { $0.value != agent }
      state.ended.insert(agent)
    }
    do {
      _ = try await Blocking.run { [self] in try client().call(CertMethods.revoke, .init(agent: agent)) }
      state.withLock { _ = $0.ended.remove(agent) }
    } catch let error as RPCError where error.code == .notFound {
      // It is over already.
      state.withLock { _ = $0.ended.remove(agent) }
    } catch {
      logger.notice("an identity's end was not told", metadata: ["agent": "\(agent)", "error": "\(error)"])
    }
  }

  /// Follows the manager until it is cancelled.
  ///
  /// - Parameter isKnown: whether there is a sub-system of a name that has identities: root may have asked for others, too.
  func run(
    isKnown: @escaping @Sendable (_ name: String) async -> Bool,
    take: @escaping @Sendable (_ name: String, _ agent: String, _ token: String) async throws -> Void
  ) async {
    let renewals = IdentityRenewals(path: instance.certificateSocket, parent: "node-controller", logger: logger)
    await renewals.run(
      isOurs: { [self] view in
        let name = view.name ?? ""
        return state.withLock { $0.agents[name] == view.agent || $0.asking.contains(name) }
      },
      take: { view, token in try await take(view.name ?? "", view.agent, token) },
      stray: { [self] view in
        if state.withLock({ $0.ended.contains(view.agent) }) { return await end(view.agent) }
        if await isKnown(view.name ?? "") { await end(view.agent) }
      })
  }
}
