// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Configuration
import JSONRPC
import LinuxKernel

/// `certificates.yaml`: where certificates are signed, how the node comes by its first one, and where callers from other machines are let in.
struct CertificateConfiguration: Sendable, Hashable {
  /// `https://HOST:PORT`; `nil`: as the bootstrap data says.
  var authority: String?
  /// `sha256:…`
  var root: String?
  /// As `BootstrapSource` reads it; `nil`: the authority is this machine's own.
  var bootstrap: String?
  /// Where the authority calls the manager back, `tcp://ADDRESS:PORT`.
  var callBack: String?
  /// `tcp://ADDRESS:PORT`.
  var remote: [String] = []

  /// The default where there is no such file.
  ///
  /// - Throws: `invalid params` with the line of what is wrong.
  static func read(_ path: String) throws -> CertificateConfiguration {
    try AdministratorFile.parse(path) { try parse($0, file: path) } ?? CertificateConfiguration()
  }

  static func parse(_ text: String, file: String) throws(DescriptorProblem) -> CertificateConfiguration {
    var configuration = CertificateConfiguration()
    let members = try DescriptorNode(file: file, text: text).members([
      "authority", "root", "bootstrap", "call-back", "remote",
    ])
    if let member = members["authority"] {
      let url = try member.text()
      guard url.hasPrefix("https://"), !url.hasSuffix("/"), url.utf8.count < 200, isPlain(url) else {
        throw member.problem("must be of the form https://HOST:PORT")
      }
      configuration.authority = url
    }
    if let member = members["root"] {
      let pin = try member.text().lowercased()
      guard pin.hasPrefix("sha256:"), pin.utf8.count == 71, pin.dropFirst(7).allSatisfy({ $0.isASCII && $0.isHexDigit })
      else { throw member.problem("must be sha256: and 64 hexadecimal digits, the hash of the root's DER") }
      configuration.root = pin
    }
    if let member = members["bootstrap"] { configuration.bootstrap = try bootstrap(member) }
    if let member = members["authority"] ?? members["root"], configuration.bootstrap == nil {
      throw member.problem("needs bootstrap beside it: where the first token comes from")
    }
    configuration.callBack = try members["call-back"].map(address)
    for node in try members["remote"]?.elements() ?? [] { configuration.remote.append(try address(node)) }
    return configuration
  }

  private static func address(_ node: DescriptorNode) throws(DescriptorProblem) -> String {
    let text = try node.text()
    guard ListenAddress(text)?.kind == .tcp else {
      throw node.problem("\(text) is not of the form tcp://ADDRESS:PORT")
    }
    return text
  }

  private static func bootstrap(_ node: DescriptorNode) throws(DescriptorProblem) -> String {
    let text = try node.text()
    let isKnown =
      text == "kernel" || text == "user-data" || text.hasPrefix("user-data:http://") || text.hasPrefix("file:/")
      || text.hasPrefix("dns:")
    guard isKnown, isPlain(text), text != "dns:" else {
      throw node.problem("must be file:PATH, kernel, user-data, user-data:http://HOST:PORT or dns:NAME")
    }
    return text
  }

  private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } }
}
