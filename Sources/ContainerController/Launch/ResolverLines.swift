// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// What of a host's `resolv.conf` (resolv.conf(5)) is of use in a container.
enum ResolverLines {
  /// The lines that name servers, search domains and options, one blank between words.
  static func usable(_ text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
      let words = line.split(whereSeparator: \.isWhitespace)
      guard words.count > 1, let key = words.first else { return nil }
      switch key {
      case "nameserver": return "nameserver \(words[1])"
      case "search", "options": return words.joined(separator: " ")
      default: return nil
      }
    }
  }

  /// The same for a container that asks the agent's own server, which asks the host's in its turn.
  static func led(to gateway: String, _ lines: [String]) -> [String] {
    let search = lines.last { $0.hasPrefix("search ") }?.dropFirst("search ".count)
    return ["nameserver \(gateway)", "search \(NameMethods.domain)\(search.map { " \($0)" } ?? "")"]
      + lines.filter { $0.hasPrefix("options ") }
  }
}
