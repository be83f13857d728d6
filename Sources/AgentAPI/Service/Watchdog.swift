// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import LinuxKernel
import Logging

/// Gives the service manager its signs of life, as long as this process answers on its own socket: a process that only
/// exists is not alive.
public enum Watchdog {
  /// Runs until it is cancelled; at once when no watchdog is wanted.
  ///
  /// - Parameter answers: makes a call over the process's own socket, and throws when it gets no answer.
  public static func run(
    _ manager: ServiceManager, logger: Logger, answers: @escaping @Sendable () throws -> Void
  ) async {
    guard let interval = manager.watchdogMilliseconds else { return }
    while !Task.isCancelled {
      do {
        try await Blocking.run(answers)
        try manager.alive()
      } catch {
        logger.error("no sign of life for the service manager", metadata: ["error": "\(error)"])
      }
      try? await Task.sleep(for: .milliseconds(interval / 2))
    }
  }
}
