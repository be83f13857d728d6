// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Synchronization

/// Waits for something no longer than one can afford.
public enum TimeLimit {
  /// What `body` returns, or `nil` when it takes longer; what it does then is cancelled, and not waited for.
  ///
  /// - Parameter milliseconds: how long it may take.
  public static func within<Value: Sendable>(
    _ milliseconds: Int64, _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> Value? {
    let waiter = Waiter<Value>()
    let work = Task { waiter.settle(await Result { try await body() }) }
    let timer = Task {
      try? await Task.sleep(for: .milliseconds(milliseconds))
      waiter.settle(.success(nil))
    }
    defer {
      work.cancel()
      timer.cancel()
    }
    return try await waiter.value()
  }

  private final class Waiter<Value: Sendable>: Sendable {
    private enum State {
      case open
      case waiting(CheckedContinuation<Value?, any Error>)
      case settled(Result<Value?, any Error>)
    }
    private let state = Mutex(State.open)

    func settle(_ result: Result<Value?, any Error>) {
      let continuation: CheckedContinuation<Value?, any Error>? = state.withLock { state in
        switch state {
        case .open:
          state = .settled(result)
          return nil
        case .waiting(let continuation):
          state = .settled(result)
          return continuation
        case .settled: return nil
        }
      }
      continuation?.resume(with: result)
    }

    func value() async throws -> Value? {
      try await withCheckedThrowingContinuation { continuation in
        let known: Result<Value?, any Error>? = state.withLock { state in
          if case .settled(let result) = state { return result }
          state = .waiting(continuation)
          return nil
        }
        if let known { continuation.resume(with: known) }
      }
    }
  }
}

extension Result where Failure == any Error {
  fileprivate init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
