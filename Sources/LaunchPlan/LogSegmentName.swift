// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The names of a log's segment files: `log.000001`, `log.000002`, … without an end.
public enum LogSegmentName {
  public static func name(_ number: UInt64) -> String {
    let digits = String(number)
    return "log." + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }

  /// The number of a segment's name, or `nil` for any other file's.
  public static func number(_ name: String) -> UInt64? {
    guard name.hasPrefix("log."), name.utf8.count >= 10 else { return nil }
    return UInt64(name.dropFirst(4))
  }
}
