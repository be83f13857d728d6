// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Glibc

/// The node's full name.
enum NodeName {
  /// As the resolver completes the host's name (hostname(1), `--fqdn`), or that as it is.
  static func own() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
    let short = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    var hints = addrinfo()
    hints.ai_flags = AI_CANONNAME
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    var full = short
    if !short.contains("."), getaddrinfo(short, nil, &hints, &found) == 0, let name = found?.pointee.ai_canonname {
      full = String(cString: name)
    }
    if let found { freeaddrinfo(found) }
    return usable(full) ?? usable(short) ?? "localhost"
  }

  /// In small letters; `nil` where it is no DNS name.
  static func usable(_ name: String) -> String? {
    let text = (name.hasSuffix(".") ? String(name.dropLast()) : name).lowercased()
    return AgentIdentity(application: "a", subsystem: "a", agent: "a", node: text).problem == nil ? text : nil
  }
}
