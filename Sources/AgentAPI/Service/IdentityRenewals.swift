// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import Logging
import Synchronization

/// Follows the certificate manager for a parent of agents, and hands over to them what was renewed.
public final class IdentityRenewals: Sendable {
  /// Renewals that are under way, by agent.
  private let renewing = Mutex<Set<String>>([])
  private let path: String
  private let parent: String
  private let logger: Logger

  private static let pause: Duration = .seconds(10)
  private static let patienceSeconds = 15

  /// - Parameters:
  ///   - path: of the manager's socket.
  ///   - parent: the sub-system whose children are meant.
  public init(path: String, parent: String, logger: Logger) {
    self.path = path
    self.parent = parent
    self.logger = logger
  }

  /// Runs until it is cancelled.
  ///
  /// - Parameters:
  ///   - isOurs: whether an agent is one that runs here.
  ///   - take: has it take up its next certificate with a token. Tried again, as long as it is one of ours, when it throws.
  ///   - stray: gets children of the parent that are none of ours.
  public func run(
    isOurs: @escaping @Sendable (IdentityView) -> Bool,
    take: @escaping @Sendable (_ view: IdentityView, _ token: String) async throws -> Void,
    stray: @escaping @Sendable (IdentityView) async -> Void
  ) async {
    var own: Set<String> = []
    let follower = TopicFollower(path: path, logger: logger)
    for await view in follower.follow(CertMethods.watch, keeping: 10_000, { CertMethods.Query() }) {
      guard let parent = view.parent else {
        // Of several one is this process now; what others before it had asked for is its own, too.
        if view.subsystem == self.parent { own.insert(view.agent) }
        continue
      }
      // What has no name was asked for by hand.
      guard own.contains(parent), view.state != .ended, view.name != nil else { continue }
      guard isOurs(view) else {
        await stray(view)
        continue
      }
      guard view.fresh ?? false, renewing.withLock({ $0.insert(view.agent).inserted }) else { continue }
      Task { await self.renew(view, isOurs, take) }
    }
  }

  /// Tries until the agent has it, or has ended.
  private func renew(
    _ view: IdentityView, _ isOurs: @Sendable (IdentityView) -> Bool,
    _ take: @Sendable (_ view: IdentityView, _ token: String) async throws -> Void
  ) async {
    defer { renewing.withLock { _ = $0.remove(view.agent) } }
    while isOurs(view), !Task.isCancelled {
      do {
        let token = try await Blocking.run { [path] in
          try RPCClient(path: path, seconds: Self.patienceSeconds).call(
            CertMethods.token, .init(agent: view.agent), deadline: 10_000)
        }
        return try await take(view, token.token)
      } catch {
        logger.warning(
          "an identity was not renewed",
          metadata: ["name": "\(view.name ?? view.subsystem)", "agent": "\(view.agent)", "error": "\(error)"])
      }
      try? await Task.sleep(for: Self.pause)
    }
  }
}
