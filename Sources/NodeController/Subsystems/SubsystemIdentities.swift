// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging
import Synchronization

/// The identities of sub-systems: asked for before a start, renewed while they run, ended with them.
final class SubsystemIdentities: Sendable {
  /// The agent of each sub-system that runs.
  private let agents = Mutex<[String: String]>([:])
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
    let deadline = Clock.monotonicNanoseconds() + Self.patience
    while true {
      do {
        return try await Blocking.run { [self] in
          try client().call(
            CertMethods.request,
            .init(
              subsystem: AgentLabel.make(spec.name), uid: 0, name: spec.name,
              endpoints: spec.sockets.compactMap(Self.endpoint), roles: ["component"], key: wanted.key,
              life: wanted.life),
            deadline: 15_000)
        }
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

  func adopt(_ name: String, _ agent: String) { agents.withLock { $0[name] = agent } }

  /// It has ended. Where the manager is away, its certificate ends by itself, or with the next word of it.
  func end(_ agent: String) async {
    agents.withLock { agents in agents = agents.filter { $0.value != agent } }
    do {
      _ = try await Blocking.run { [self] in try client().call(CertMethods.revoke, .init(agent: agent)) }
    } catch let error as RPCError where error.code == .notFound {
      // It is over already.
    } catch {
      logger.notice("an identity's end was not told", metadata: ["agent": "\(agent)", "error": "\(error)"])
    }
  }

  /// Follows the manager until it is cancelled.
  func run(take: @escaping @Sendable (_ name: String, _ agent: String, _ token: String) async throws -> Void) async {
    let renewals = IdentityRenewals(path: instance.certificateSocket, parent: "node-controller", logger: logger)
    await renewals.run(
      isOurs: { [self] view in view.name.map { name in agents.withLock { $0[name] == view.agent } } ?? false },
      take: { view, token in try await take(view.name ?? "", view.agent, token) },
      // Root asks for others, too.
      stray: { _ in })
  }
}
