// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// How far a sink has come.
public struct EventSinkState: Codable, Sendable, Hashable {
  public var name: String
  /// The sequence number of the last event that was delivered, or that it does not want.
  public var position: UInt64
  /// Since the monitor knows it.
  public var delivered: UInt64
  /// Events that went out of the stream's bound before they could be delivered.
  public var dropped: UInt64
  /// What the last attempt failed with; `nil` when it did not.
  public var failure: String?

  public init(name: String, position: UInt64) {
    self.name = name
    self.position = position
    delivered = 0
    dropped = 0
    failure = nil
  }
}
