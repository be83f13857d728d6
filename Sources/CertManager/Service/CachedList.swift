// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import Synchronization

/// The list of revoked certificates, made anew when something was revoked, and at the latest when half of its life is over.
final class CachedList: Sendable {
  private struct Known {
    var bytes: [UInt8]
    var revocations: [Revocation]
    var made: Date
  }

  private let known = Mutex<Known?>(nil)
  private static let life: TimeInterval = 3600

  func get(_ store: AuthorityStore, _ now: Date) throws -> [UInt8] {
    let revocations = try store.ledger.revocations(now: now)
    if let known = known.withLock({ $0 }), known.revocations == revocations,
      (0..<(Self.life / 2)).contains(now.timeIntervalSince(known.made))
    {
      return known.bytes
    }
    let bytes = try store.authority.revocationList(
      revocations, number: try store.ledger.nextListNumber(), now: now, life: Self.life)
    known.withLock { $0 = Known(bytes: bytes, revocations: revocations, made: now) }
    return bytes
  }
}
