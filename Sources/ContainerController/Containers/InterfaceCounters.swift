// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// The bytes that a network interface has moved.
struct InterfaceCounters: Sendable, Equatable {
  var received: UInt64
  var sent: UInt64

  /// Of all interfaces of this network namespace (proc(5), `/proc/net/dev`); none where that cannot be read.
  static func read() -> [String: InterfaceCounters] {
    parse((try? FileSystem.readText("/proc/thread-self/net/dev", limit: 4 << 20)) ?? "")
  }

  /// Lines of `NAME: ` and eight numbers each of what was received and sent, bytes first.
  static func parse(_ text: String) -> [String: InterfaceCounters] {
    var found: [String: InterfaceCounters] = [:]
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let fields = line[line.index(after: colon)...].split(separator: " ", omittingEmptySubsequences: true)
      guard fields.count >= 9, let received = UInt64(fields[0]), let sent = UInt64(fields[8]) else { continue }
      found[line[..<colon].filter { $0 != " " }] = InterfaceCounters(received: received, sent: sent)
    }
    return found
  }
}
