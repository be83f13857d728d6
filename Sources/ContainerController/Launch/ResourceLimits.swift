// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The limits of setrlimit(2) by the names that descriptors use.
enum ResourceLimits {
  private static let numbers: [(name: String, number: Int32)] = [
    ("cpu", 0), ("fsize", 1), ("data", 2), ("stack", 3), ("core", 4), ("rss", 5), ("nproc", 6), ("nofile", 7),
    ("memlock", 8), ("as", 9), ("locks", 10), ("sigpending", 11), ("msgqueue", 12), ("nice", 13), ("rtprio", 14),
    ("rttime", 15),
  ]

  static var names: [String] { numbers.map(\.name) }

  static func number(_ name: String) -> Int32? { numbers.first { $0.name == name }?.number }
}
