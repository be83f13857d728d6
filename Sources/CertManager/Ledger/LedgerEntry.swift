// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation

/// A certificate that was issued.
public struct LedgerEntry: Sendable, Hashable, Codable {
  /// Hexadecimal.
  public var serial: String
  public var identity: AgentIdentity
  public var capabilities: AgentCapabilities
  public var issued: Date
  public var end: Date
  public var revoked: Date?
  public var reason: RevocationReason?

  public func state(_ now: Date) -> String {
    if revoked != nil { return "revoked" }
    return end <= now ? "expired" : "good"
  }
}
