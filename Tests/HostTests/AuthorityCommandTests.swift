// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

/// `nodeagent ca`, as people type it.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct AuthorityCommandTests {
  @Test func `an authority is made, and does its work`() throws {
    var template = Array("/tmp/nodeagent-ca-XXXXXX".utf8CString)
    let root = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { try? FileSystem.removeTree(root) }
    try FileSystem.replace("\(root)/credential", with: Array("a credential of some length".utf8), mode: 0o600)
    func ca(_ arguments: String..., input: String = "") throws -> Command {
      try Command.run(
        ["\(Host.programs)/nodeagent", "ca"] + arguments + [
          "--directory", "\(root)/ca", "--credential", "\(root)/credential",
        ],
        input: input)
    }
    let early = try ca("ls")
    #expect(early.code != 0 && early.error.contains("nodeagent ca init makes one"), "\(early)")
    let made = try ca("init", "--application", "shop")
    #expect(made.code == 0 && made.output.contains("BEGIN CERTIFICATE"), "\(made)")
    #expect(try ca("init").error.contains("has an authority already"))
    for name in try FileSystem.names(in: "\(root)/ca") where !name.hasSuffix(".pem") {
      #expect(try FileSystem.status(of: "\(root)/ca/\(name)").mode & 0o077 == 0, "\(name)")
    }
    let token = try ca("token", "node1.example.org", "node-controller", "--role", "admin")
    #expect(token.code == 0 && token.output.hasPrefix("na1."), "\(token)")
    try FileSystem.replace("\(root)/token", with: Array(token.output.utf8), mode: 0o600)
    let nonsense = try ca("sign", "--token-file", "\(root)/token", input: "nonsense")
    #expect(nonsense.code != 0 && nonsense.error.contains("no certificate signing request"), "\(nonsense)")
    let wrong = try ca("token", "bad..name", "x")
    #expect(wrong.code != 0 && wrong.error.contains("node has to be a DNS name"), "\(wrong)")
    let listed = try ca("ls")
    #expect(listed.output.split(separator: "\n").count == 1, "\(listed)")
    #expect(try ca("revoke", "00").error.contains("no certificate has the number 00"))
    #expect(try ca("crl").output.contains("BEGIN X509 CRL"))
    #expect(try ca("chain").output.split(separator: "\n").filter { $0.contains("BEGIN") }.count == 2)
    let audit = try ca("audit", "verify")
    #expect(audit.code == 0 && audit.output == "intact: 1 rows\n", "\(audit)")
    let next = try ca("intermediate")
    #expect(next.code == 0 && next.output.contains("BEGIN CERTIFICATE"), "\(next)")
    #expect(try ca("chain").output.hasPrefix(next.output))
    #expect(try ca("audit").output.contains("intermediate made"))
    let text = String(decoding: try FileSystem.read("\(root)/ca/ledger.db"), as: UTF8.self)
    #expect(!text.contains(token.output.filter { !$0.isWhitespace }))
  }

  @Test func `what root changes of somebody else's authority stays that one's`() throws {
    var template = Array("/tmp/nodeagent-ca-XXXXXX".utf8CString)
    let root = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { try? FileSystem.removeTree(root) }
    try FileSystem.mode(root, 0o755)
    func ca(_ arguments: String...) throws -> Command {
      try Command.run(["\(Host.programs)/nodeagent", "ca"] + arguments + ["--directory", "\(root)/ca"])
    }
    #expect(try ca("init").code == 0)
    for name in try FileSystem.names(in: "\(root)/ca") {
      try FileSystem.owner("\(root)/ca/\(name)", uid: 54321, gid: 54322)
    }
    try FileSystem.owner("\(root)/ca", uid: 54321, gid: 54322)
    let made = try ca("intermediate")
    #expect(made.code == 0, "\(made)")
    let names = try FileSystem.names(in: "\(root)/ca")
    #expect(names.contains("intermediate-2.key"))
    for name in names {
      let status = try FileSystem.status(of: "\(root)/ca/\(name)")
      #expect(status.uid == 54321 && status.gid == 54322, "\(name)")
    }
    // A root's key that only root can read is for root to hand over.
    try FileSystem.replace("\(root)/away.key", with: try FileSystem.read("\(root)/ca/root.key"), mode: 0o600)
    let away = try ca("intermediate", "--root-key", "\(root)/away.key")
    #expect(away.code != 0 && away.error.contains("away.key"), "\(away)")
  }
}
