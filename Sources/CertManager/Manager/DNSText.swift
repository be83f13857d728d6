// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CResolver
import CertificateProfile

/// TXT records, by the host's resolver (resolver(3)).
enum DNSText {
  /// Waits.
  ///
  /// - Parameter server: an IPv4 address to ask instead of the host's resolvers.
  /// - Returns: the texts of all records, each on a line.
  static func look(_ name: String, at server: HostAndPort? = nil) throws -> String {
    var text = [CChar](repeating: 0, count: 16 << 10)
    let count = cresolver_text(name, server?.host, server?.port ?? 0, &text, text.count)
    guard count > 0 else {
      throw CertificateProblem.unusable(
        "\(name.prefix(255)) has no TXT records, or \(server.map { "\($0.host) does not know" } ?? "no resolver knows")"
      )
    }
    return String(decoding: text.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
