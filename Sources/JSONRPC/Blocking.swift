// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import NIOPosix

/// The threads on which the agent makes system calls that may wait, so that the cooperative pool never does.
public enum Blocking {
  private static let pool: NIOThreadPool = {
    let pool = NIOThreadPool(numberOfThreads: 16)
    pool.start()
    return pool
  }()

  /// Runs `body` on one of them.
  public static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await pool.runIfActive(body)
  }
}
