// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import Synchronization

/// The lists of revoked certificates, one by each intermediate, made anew when something was revoked, and at the latest when half of a list's
/// life is over.
///
/// Each has all that are revoked, whoever signed them: whoever follows the present intermediate's list needs no other.
final class CachedLists: Sendable {
  private struct Known {
    var bytes: [UInt8]
    var revocations: [Revocation]
    var made: Date
  }

  private let known = Mutex<[String: Known]>([:])
  private static let life: TimeInterval = 3600

  func get(_ authority: CertificateAuthority, _ ledger: Ledger, _ now: Date) throws -> [UInt8] {
    let revocations = try ledger.revocations(now: now)
    let identifier = authority.identifier
    if let known = known.withLock({ $0[identifier] }), known.revocations == revocations,
      (0..<(Self.life / 2)).contains(now.timeIntervalSince(known.made))
    {
      return known.bytes
    }
    let bytes = try authority.revocationList(
      revocations, number: try ledger.nextListNumber(), now: now, life: Self.life)
    known.withLock { $0[identifier] = Known(bytes: bytes, revocations: revocations, made: now) }
    return bytes
  }
}
