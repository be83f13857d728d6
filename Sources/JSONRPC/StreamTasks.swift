// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Synchronization

/// Owns the tasks that serve switched connections, which live longer than the channel they came from.
final class StreamTasks: Sendable {
  static let shared = StreamTasks()
  private let running = Mutex<[UInt64: Task<Void, Never>]>([:])
  private let next = Atomic<UInt64>(0)

  func run(_ body: @escaping @Sendable () async -> Void) {
    let id = next.add(1, ordering: .relaxed).newValue
    running.withLock { running in
      running[id] = Task {
        await body()
        self.running.withLock { _ = $0.removeValue(forKey: id) }
      }
    }
  }
}
