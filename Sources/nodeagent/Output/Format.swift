// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation

/// Sizes, durations and shares, the same everywhere.
enum Format {
  /// `512 B`, `1.5 MiB`.
  static func bytes(_ count: UInt64) -> String {
    let (unit, divisor) = unit(for: count)
    return divisor == 1 ? "\(count) B" : "\(decimal(Double(count) / divisor)) \(unit)"
  }

  /// Used and limit in the limit's unit: `6.1/64.0 MiB`.
  static func bytes(_ used: UInt64, of limit: UInt64?) -> String {
    guard let limit, limit < 1 << 60 else { return bytes(used) }
    let (unit, divisor) = unit(for: limit)
    return "\(decimal(Double(used) / divisor))/\(decimal(Double(limit) / divisor)) \(unit)"
  }

  private static func unit(for count: UInt64) -> (String, Double) {
    switch count {
    case ..<1024: ("B", 1)
    case ..<(1 << 20): ("KiB", 1024)
    case ..<(1 << 30): ("MiB", 1_048_576)
    default: ("GiB", 1_073_741_824)
    }
  }

  static func decimal(_ value: Double) -> String { String(format: "%.1f", value) }

  static func percent(_ value: Double) -> String { "\(decimal(value))%" }

  /// `850ms`, `2s`, `3m12s`, `4h05m`, `2d03h`.
  static func duration(milliseconds: Int64) -> String {
    let seconds = milliseconds / 1000
    switch seconds {
    case ..<1: return "\(milliseconds)ms"
    case ..<60: return "\(seconds)s"
    case ..<3600: return "\(seconds / 60)m\(padded(seconds % 60))s"
    case ..<86400: return "\(seconds / 3600)h\(padded(seconds % 3600 / 60))m"
    default: return "\(seconds / 86400)d\(padded(seconds % 86400 / 3600))h"
    }
  }

  private static func padded(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
