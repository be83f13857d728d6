// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// How often something may happen: `10/minute`.
public struct PacketRate: Codable, Sendable, Hashable, CustomStringConvertible {
  public enum Unit: String, Sendable, Hashable, SchemaEnumeration { case second, minute, hour, day }
  public var count: UInt32
  public var unit: Unit

  public init(count: UInt32, unit: Unit) {
    self.count = count
    self.unit = unit
  }

  /// `COUNT/UNIT`, from 1 to 1,000,000 a second, minute, hour or day.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let count = UInt32(parts[0]), (1...1_000_000).contains(count),
      let unit = Unit(rawValue: String(parts[1]))
    else { return nil }
    self.init(count: count, unit: unit)
  }

  public var description: String { "\(count)/\(unit.rawValue)" }
}
