// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A machine and a port of it, as people write them: `HOST:PORT` or `[ADDRESS]:PORT` (RFC 3986, 3.2).
public struct HostAndPort: Sendable, Hashable {
  public var host: String
  public var port: UInt16

  /// - Parameter usual: the port where the text has none; without one it has to have one.
  public init?(_ text: String, usual: UInt16? = nil) {
    let host: Substring
    let rest: Substring
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<end]
      rest = text[text.index(after: end)...]
    } else {
      let colons = text.indices.filter { text[$0] == ":" }
      // Two are an address of IPv6, which has a port only in brackets.
      let end = colons.count == 1 ? colons[0] : text.endIndex
      host = text[..<end]
      rest = text[end...]
    }
    guard !host.isEmpty, !host.contains(where: { $0.isWhitespace || $0 == "/" || $0 == "]" }) else { return nil }
    self.host = String(host)
    if rest.isEmpty, let usual {
      port = usual
    } else {
      guard rest.first == ":", let port = UInt16(rest.dropFirst()), port > 0 else { return nil }
      self.port = port
    }
  }
}
