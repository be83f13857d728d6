// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// One event as a message of RFC 5424.
enum SyslogMessage {
  /// The facility daemon.
  private static let facility = 3

  /// - Parameters:
  ///   - node: the host's name.
  ///   - process: the pid of the sender.
  static func text(_ event: AgentEvent, node: String, process: Int32) -> String {
    // As section 6.2.1 counts: error, warning, informational.
    let severity =
      switch event.severity {
      case .error: 3
      case .warning: 4
      case .info: 6
      }
    var data = "[nodeagent@32473"
    var fields = [
      ("kind", event.kind), ("name", event.name), ("event", event.event), ("sequence", "\(event.sequence)"),
    ]
    if let correlation = event.correlation { fields.append(("correlation", correlation)) }
    fields += (event.data ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    for (key, value) in fields where !header(key, 32).isEmpty {
      data += " \(header(key, 32))=\"\(escaped(value))\""
    }
    data += "]"
    // The mark says that what follows is UTF-8 (section 6.4).
    return
      "<\(facility * 8 + severity)>1 \(event.time) \(field(node, 255)) nodeagent \(process) \(field(event.kind, 32)) \(data) \u{feff}\(line(event.message))"
  }

  private static func field(_ text: String, _ most: Int) -> String {
    let plain = header(text, most)
    return plain.isEmpty ? "-" : plain
  }

  /// Printable ASCII without blanks and without what ends a name.
  private static func header(_ text: String, _ most: Int) -> String {
    String(
      decoding: text.utf8.filter {
        $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "]") && $0 != UInt8(ascii: "\"")
      }
      .prefix(most), as: UTF8.self)
  }

  /// Section 6.3.3.
  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for character in line(text).unicodeScalars {
      if "\"\\]".unicodeScalars.contains(character) { escaped.append("\\") }
      escaped.unicodeScalars.append(character)
    }
    return escaped
  }

  /// What could be taken for the end of a message, or for a command of a terminal, becomes a blank.
  private static func line(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : $0 }))
  }
}
