// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Where an HTTP request goes (RFC 3986, RFC 9110 §4.2).
struct HTTPTarget: Sendable, Equatable {
  var isTLS: Bool
  var host: String
  var port: Int
  /// With its query, as it stands in the request line.
  var path: String

  /// What the Host field says: the port only where it is not the usual one.
  var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
  }

  var hostIsAddress: Bool { host.contains(":") || host.utf8.allSatisfy { $0 == 0x2e || (0x30...0x39).contains($0) } }

  init(_ url: String) throws(ProbeFailure) {
    if url.hasPrefix("http://") {
      isTLS = false
    } else if url.hasPrefix("https://") {
      isTLS = true
    } else {
      throw ProbeFailure("\(url.prefix(100)) is no http or https URL")
    }
    guard url.utf8.count < 4096, url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw ProbeFailure("the URL has a space or another character that has to be written with %")
    }
    let rest = url.dropFirst(isTLS ? 8 : 7)
    let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
    let authority = rest[..<end]
    var tail = rest[end...]
    if let mark = tail.firstIndex(of: "#") { tail = tail[..<mark] }
    path = tail.isEmpty ? "/" : tail.hasPrefix("?") ? "/\(tail)" : String(tail)
    guard !authority.contains("@") else { throw ProbeFailure("a URL with a password in it is not taken; use headers") }
    port = isTLS ? 443 : 80
    host = String(authority)
    if authority.hasPrefix("["), let close = authority.firstIndex(of: "]") {
      host = String(authority[authority.index(after: authority.startIndex)..<close])
      let after = authority[authority.index(after: close)...]
      if after.hasPrefix(":") { port = Int(UInt16(after.dropFirst()) ?? 0) } else if !after.isEmpty { port = 0 }
    } else if let colon = authority.lastIndex(of: ":") {
      host = String(authority[..<colon])
      port = Int(UInt16(authority[authority.index(after: colon)...]) ?? 0)
    }
    guard !host.isEmpty, port > 0, !host.contains("["), !host.contains("]") else {
      throw ProbeFailure("\(url.prefix(100)) has no host, or a port that is none")
    }
  }

  /// Where a Location field leads from here.
  func following(_ location: String) throws(ProbeFailure) -> HTTPTarget {
    if location.hasPrefix("http://") || location.hasPrefix("https://") { return try HTTPTarget(location) }
    let origin = "\(isTLS ? "https" : "http")://\(authority)"
    if location.hasPrefix("//") { return try HTTPTarget("\(isTLS ? "https" : "http"):\(location)") }
    if location.hasPrefix("/") { return try HTTPTarget(origin + location) }
    let folder = path.split(separator: "?", omittingEmptySubsequences: false).first.map(String.init) ?? "/"
    return try HTTPTarget(origin + folder[...(folder.lastIndex(of: "/") ?? folder.startIndex)] + location)
  }
}
