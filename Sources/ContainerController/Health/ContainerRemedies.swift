// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import Logging
import Synchronization

/// Does what a container's check says when it fails.
final class ContainerRemedies: Sendable {
  private let logger: Logger
  private let registry = Mutex<ContainerRegistry?>(nil)

  init(logger: Logger) { self.logger = logger }

  /// The containers, which in their turn know their checks.
  func serve(_ registry: ContainerRegistry) { self.registry.withLock { $0 = registry } }

  /// Returns words for what was done.
  func apply(_ action: HealthCheck.Action, to name: String, because cause: String) async throws -> String {
    guard let registry = registry.withLock({ $0 }) else { return "nothing was done" }
    let container = try await registry.find(name)
    switch action {
    case .alert: return "an event tells of it"
    case .restart:
      logger.warning("restarting for health", metadata: ["container": "\(name)", "cause": "\(cause)"])
      try await container.heal()
      return "it was restarted"
    case .stop:
      _ = try await container.stop(timeout: nil, correlation: nil)
      return "it was stopped"
    case .run(let command):
      var request = ContainerMethods.ExecuteRequest(name: name, command: command)
      request.timeout = 60_000
      let result = try await ExecCollector.run(request, in: container)
      guard result.code == 0 else {
        throw RPCError(.startFailed, "\(command[0]) ended with code \(result.code.map { "\($0)" } ?? "none")")
      }
      let output = result.output.prefix(200).filter { !$0.isNewline }
      return "\(command[0]) was run\(output.isEmpty ? "" : ": \(output)")"
    }
  }
}
