// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Why a certificate was revoked (RFC 5280 §5.3.1).
public enum RevocationReason: Int, Sendable, Hashable, Codable, CaseIterable {
  case unspecified = 0
  case keyCompromise = 1
  case affiliationChanged = 3
  case superseded = 4
  /// The agent has ended.
  case cessationOfOperation = 5

  /// As people type it: `key-compromise`.
  public var name: String {
    switch self {
    case .unspecified: "unspecified"
    case .keyCompromise: "key-compromise"
    case .affiliationChanged: "affiliation-changed"
    case .superseded: "superseded"
    case .cessationOfOperation: "cessation-of-operation"
    }
  }

  public init?(name: String) {
    guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }
}
