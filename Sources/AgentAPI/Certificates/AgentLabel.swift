// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The kind of an agent in its certificate, made from the name of a bundle or a sub-system.
public enum AgentLabel {
  /// What the name has and a DNS label cannot becomes a hyphen.
  public static func make(_ name: String) -> String {
    let text = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
    let trimmed = text.drop { $0 == "-" }.reversed().drop { $0 == "-" }.reversed()
    return trimmed.isEmpty ? "unnamed" : String(trimmed)
  }
}
