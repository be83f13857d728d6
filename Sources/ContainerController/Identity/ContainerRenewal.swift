// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging

/// The next certificate of a running container, and what its programs learn of it.
extension Container {
  private static let attempts = 4
  private static let patience: Int64 = 60_000

  /// Has PID 1 take up the next certificate of the container's identity, and then does what the bundle has for that.
  func takeIdentity(_ token: String) async throws {
    var number: Int32 = 0
    switch record.identity?.renewal {
    case .signal(let signal): number = signal
    case .command:
      // Written first: a controller that dies in between leaves the command to the next.
      record.renewalDue = true
      save()
    case nil: break
    }
    _ = try await ask { [number] in .identity(id: $0, token, signal: number) }
    await tellOfRenewal()
  }

  /// Runs the bundle's command for a new certificate, if that is to be run yet.
  func tellOfRenewal() async {
    guard record.renewalDue == true, case .command(let command)? = record.identity?.renewal else { return }
    var problem = ""
    for attempt in 0..<Self.attempts {
      if attempt > 0 { try? await Task.sleep(for: .seconds(1 << attempt)) }
      guard record.renewalDue == true, process != nil else { return }
      problem = await run(command) ?? ""
      if problem.isEmpty { break }
      services.logger.warning(
        "a command for a new certificate failed", metadata: ["container": "\(name)", "problem": "\(problem)"])
    }
    record.renewalDue = nil
    save()
    guard !problem.isEmpty else { return }
    services.events.add(
      kind: "container", name: name, event: "renewal command failed", severity: .warning, cause: problem,
      correlation: nil)
  }

  /// - Returns: what went wrong.
  private func run(_ command: [String]) async -> String? {
    var request = ContainerMethods.ExecuteRequest(name: name, command: command)
    request.timeout = Self.patience
    do {
      let result = try await ExecCollector.run(request, in: self)
      if result.code == 0 { return nil }
      let words = (result.output + result.error).split(separator: "\n").suffix(3).joined(separator: "; ").prefix(500)
      let end = result.code.map { "code \($0)" } ?? "signal \(result.signal ?? 0)"
      return "\(command[0]) ended with \(end)\(words.isEmpty ? "" : ": \(words)")"
    } catch {
      return "\(command[0]): \((error as? RPCError)?.message ?? "\(error)")"
    }
  }
}
