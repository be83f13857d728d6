// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation

/// A row of the log of what an authority did.
public struct AuditEntry: Sendable, Hashable, Codable {
  public var number: Int
  public var time: Date
  /// `issued`, `renewed`, `revoked`, `refused`, `token made`, `called back`, `not called back`.
  public var event: String
  public var data: [String: String]
}
