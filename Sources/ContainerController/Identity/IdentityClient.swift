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
  }

  private let instance: Instance
  private let events: EventLog
  private let logger: Logger
  private let state = Mutex(State())

  /// Of a start, for the token; signing goes on behind it.
  private static let patienceSeconds = 15

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
          subsystem: AgentLabel.make(record.descriptor.name), uid: record.firstUID, name: name,
          endpoints: record.descriptor.endpoints.map { .init(name: $0.name, proto: $0.proto, port: $0.port) },
          roles: ["component"], key: wanted.key, life: wanted.life),
        deadline: Int64(Self.patienceSeconds) * 1000)
    } catch let error as RPCError {
      throw RPCError(.startFailed, "the certificate manager gives it no identity: \(error.message)", data: error.data)
    }
    state.withLock { $0.agents[name] = token.agent }
    return token
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
    let renewals = IdentityRenewals(
      path: instance.certificateSocket, parent: "container-controller", logger: logger)
    await renewals.run(
      isOurs: { [self] view in
        let name = view.name ?? ""
        return state.withLock { $0.agents[name] == view.agent || $0.asking.contains(name) }
      },
      take: { [events] view, token in
        guard let name = view.name else { return }
        try await take(name, token)
        events.add(
          kind: "container", name: name, event: "identity renewed", cause: nil, correlation: nil,
          data: ["agent": view.agent])
      },
      stray: { [self] view in
        logger.info(
          "ending an identity of nobody", metadata: ["container": "\(view.name ?? "")", "agent": "\(view.agent)"])
        await end(agent: view.agent)
      })
  }
}
