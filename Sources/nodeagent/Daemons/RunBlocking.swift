// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation

/// Runs the whole life of a daemon from its synchronous main.
func runBlocking(_ body: @escaping @Sendable () async throws -> Void) throws {
  final class Box: @unchecked Sendable { var result: Result<Void, any Error> = .success(()) }
  let box = Box()
  let done = DispatchSemaphore(value: 0)
  Task {
    do { try await body() } catch { box.result = .failure(error) }
    // Written before the signal, read after the wait.
    done.signal()
  }
  done.wait()
  try box.result.get()
}
