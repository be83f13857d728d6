// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Runs an entity's operations strictly one after another, in the order of their arrival.
///
/// An actor alone would let a second operation in whenever the first one waits.
public final class Mailbox: Sendable {
  private let queue: AsyncStream<@Sendable () async -> Void>.Continuation
  private let worker: Task<Void, Never>

  public init() {
    let (operations, queue) = AsyncStream.makeStream(of: (@Sendable () async -> Void).self)
    self.queue = queue
    worker = Task { for await operation in operations { await operation() } }
  }

  deinit { queue.finish() }

  /// Waits for its turn, runs `body`, and returns what it returns.
  public func perform<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      let result = queue.yield {
        do {
          continuation.resume(returning: try await body())
        } catch {
          continuation.resume(throwing: error)
        }
      }
      if case .terminated = result {
        continuation.resume(throwing: RPCError(.cancelled, "it is gone"))
      }
    }
  }

  /// Queues `body` and does not wait.
  public func post(_ body: @escaping @Sendable () async -> Void) { queue.yield(body) }
}
