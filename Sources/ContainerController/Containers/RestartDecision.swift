// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// Whether and when a container that ended by itself is started again.
struct RestartDecision: Sendable, Equatable {
  /// Failures in a row.
  private(set) var attempts = 0

  /// 100 ms, doubled each time, at most a minute.
  static func backoff(attempt: Int) -> Int64 { min(60_000, 100 << Int64(min(attempt, 10))) }

  /// The pause in milliseconds before the next start, or `nil` for none.
  mutating func next(_ policy: RestartPolicy, failed: Bool, ranSeconds: Double) -> Int64? {
    switch policy.condition {
    case .never: return nil
    case .onFailure where !failed: return nil
    case .onFailure, .always: break
    }
    if ranSeconds >= 10 { attempts = 0 }
    if let limit = policy.limit, attempts >= limit { return nil }
    defer { attempts += 1 }
    return Self.backoff(attempt: attempts)
  }

  mutating func reset() { attempts = 0 }
}
