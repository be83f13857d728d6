// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The options that say which agent is meant, where they stand before the verb. They become the variables that mean the same.
enum LeadingOptions {
  private static let variables = [
    "--root": "NODEAGENT_ROOT", "--node": "NODEAGENT_NODE", "--credentials": "NODEAGENT_CREDENTIALS",
  ]

  /// - Returns: variables with their values, and what is left of the arguments.
  static func split(_ arguments: [String]) -> (variables: [(String, String)], rest: [String]) {
    var found: [(String, String)] = []
    var rest = arguments[...]
    while let first = rest.first {
      let parts = first.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let variable = variables[parts[0]] else { break }
      if parts.count == 2 {
        found.append((variable, parts[1]))
        rest = rest.dropFirst()
      } else {
        guard rest.count > 1, let value = rest.dropFirst().first else { break }
        found.append((variable, value))
        rest = rest.dropFirst(2)
      }
    }
    return (found, Array(rest))
  }
}
