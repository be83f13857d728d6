// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// Attributes of sysfs that are read seldom.
public enum SysAttribute {
  /// Its text without blanks around it; `nil` where there is none, or the driver does not say.
  public static func text(_ path: String) -> String? {
    guard let text = try? FileSystem.readText(path, limit: 64 << 10) else { return nil }
    var part = text[...]
    while part.last?.isWhitespace == true { part.removeLast() }
    while part.first?.isWhitespace == true { part.removeFirst() }
    return String(part)
  }

  static func number(_ path: String) -> Double? { text(path).flatMap { Double($0) } }

  /// The names in a directory in their order, digits by their value; none where there is no such directory.
  static func names(_ directory: String) -> [String] {
    ((try? FileSystem.names(in: directory)) ?? []).sorted { ($0.count, $0) < ($1.count, $1) }
  }
}
