// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import Testing
import X509

@testable import CertManager

/// Tokens for a machine's next boot, and answers that were lost on their way.
@Suite struct NextBootTests {
  private struct Site {
    let files: OpenSSL
    let store: AuthorityStore

    init() throws {
      files = try OpenSSL()
      store = try AuthorityStore.make(
        "\(files.directory)/ca", application: "shop", kind: .p256, url: nil, credential: nil)
    }

    func token(afterBoot: Double? = 86400) throws -> BootstrapToken {
      try store.ledger.makeToken(
        TokenGrant(
          node: "two.example", subsystem: "cert-manager", capabilities: .init(roles: ["cert-manager"]),
          afterBoot: afterBoot), life: 60)
    }

    func request(_ key: Certificate.PrivateKey? = nil) throws -> CertificateSigningRequest {
      try CertificateSigningRequest(
        version: .v1, subject: try DistinguishedName { CommonName("x") },
        privateKey: try key ?? KeyKind.p256.generate(),
        attributes: .init())
    }

    func refusal(_ token: BootstrapToken, isAgain: Bool = false, now: Date = Date()) -> String {
      #expect(throws: CertificateProblem.self) {
        try store.sign(try request(), token: token, isAgain: isAgain, now: now)
      }?.description ?? ""
    }
  }

  private static func agent(_ certificate: Certificate) throws -> String {
    try #require(AgentIdentity(certificate)).agent
  }

  @Test func `a machine comes back, and what it was before has ended`() throws {
    let site = try Site()
    let ledger = site.store.ledger
    let first = try site.store.sign(try site.request(), token: try site.token())
    let next = try #require(try ledger.nextToken(for: try Self.agent(first)))
    // The machine has booted.
    let second = try site.store.sign(try site.request(), token: next)
    #expect(try Self.agent(second) != (try Self.agent(first)) && AgentIdentity(second)?.node == "two.example")
    #expect(try AgentCapabilities(second)?.roles == ["cert-manager"])
    guard case .revoked(_, .superseded) = try ledger.state(of: first.serialNumber) else {
      Issue.record("what the machine had before is still good")
      return
    }
    #expect(try ledger.state(of: second.serialNumber) == .good)
    // Once, and who has used it is said.
    let used = site.refusal(next)
    let user = try Self.agent(second)
    #expect(used.contains("used already") && used.contains(user), "\(used)")
    #expect(try ledger.state(of: second.serialNumber) == .good)
    // And so on, also long after the token that it began with is forgotten.
    let much = Date() + 100 * 86400
    let third = try #require(try ledger.nextToken(for: try Self.agent(second)))
    #expect(site.refusal(third, now: Date() + 86401).contains("too old"))
    _ = try ledger.makeToken(
      TokenGrant(node: "x.example", subsystem: "x", capabilities: .init()), life: 60, now: Date() + 40 * 86400)
    let fourth = try ledger.nextToken(for: try Self.agent(second), now: much)
    #expect(fourth == nil, "nobody has renewed for a hundred days")
    #expect(try ledger.verifyAudit() == .intact(rows: 9))
  }

  @Test func `a node that was put out does not come back by itself`() throws {
    let site = try Site()
    let certificate = try site.store.sign(try site.request(), token: try site.token())
    let next = try #require(try site.store.ledger.nextToken(for: try Self.agent(certificate)))
    try site.store.ledger.revoke(serial: Ledger.hexadecimal(certificate.serialNumber), .keyCompromise)
    #expect(site.refusal(next).contains("is revoked"))
  }

  @Test func `the two newest tokens are good, and none for whom there should be none`() throws {
    let site = try Site()
    let ledger = site.store.ledger
    let plain = try site.store.sign(try site.request(), token: try site.token(afterBoot: nil))
    #expect(try ledger.nextToken(for: try Self.agent(plain)) == nil)
    #expect(try ledger.nextToken(for: "nobody") == nil)
    let agent = try Self.agent(try site.store.sign(try site.request(), token: try site.token()))
    let now = Date()
    let tokens = try (0..<4).map { try #require(try ledger.nextToken(for: agent, now: now + Double($0))) }
    // The last one may not have arrived.
    for token in tokens.prefix(2) { #expect(site.refusal(token).contains("not known")) }
    let taken = try site.store.sign(try site.request(), token: tokens[2])
    // What it has left is for nobody.
    #expect(site.refusal(tokens[3]).contains("not known"))
    #expect(try ledger.nextToken(for: try Self.agent(taken)) != nil)
  }

  @Test func `an answer that was lost is given again, for the same key and nobody else`() throws {
    let site = try Site()
    let (token, key) = (try site.token(), try KeyKind.p256.generate())
    let certificate = try site.store.sign(try site.request(key), token: token)
    let count = try site.store.ledger.entries().count
    #expect(try site.store.sign(try site.request(key), token: token, isAgain: true) == certificate)
    #expect(try site.store.ledger.entries().count == count)
    // Who does not say that he has lost something is refused, as is whoever has another key.
    #expect(throws: CertificateProblem.self) { try site.store.sign(try site.request(key), token: token) }
    #expect(site.refusal(token, isAgain: true).contains("used already"))
    #expect(throws: CertificateProblem.self) {
      try site.store.sign(try site.request(key), token: token, isAgain: true, now: Date() + 13 * 3600)
    }
    try site.store.ledger.revoke(serial: Ledger.hexadecimal(certificate.serialNumber), .keyCompromise)
    #expect(throws: CertificateProblem.self) { try site.store.sign(try site.request(key), token: token, isAgain: true) }
    // One that was not lost, since it was never asked for, is an ordinary one.
    let other = try site.token()
    #expect(try site.store.sign(try site.request(key), token: other, isAgain: true).publicKey == key.publicKey)
    #expect(try site.store.ledger.audit(last: 100).filter { $0.event == "handed out again" }.count == 1)
  }

  @Test func `a ledger of the first version is taken up`() throws {
    let files = try OpenSSL()
    let path = "\(files.directory)/ledger.db"
    do {
      let database = try Database(path)
      try database.run(
        "CREATE TABLE tokens (hash BLOB PRIMARY KEY, expected TEXT NOT NULL, expires INTEGER NOT NULL, used INTEGER) STRICT, WITHOUT ROWID"
      )
    }
    let key = SymmetricKey(size: .bits256)
    for _ in 0..<2 {
      let ledger = try Ledger(path, auditKey: key)
      _ = try ledger.makeToken(TokenGrant(node: "a.b", subsystem: "x", capabilities: .init()), life: 60)
      #expect(try ledger.nextToken(for: "nobody") == nil)
    }
  }

  @Test func `what is kept for the next boot is a token or nothing`() throws {
    let files = try OpenSSL()
    let boots = NextBoot(directory: files.directory)
    #expect(try boots.token() == nil)
    let token = BootstrapToken()
    try boots.keep(token.text)
    #expect(try boots.token()?.text == token.text)
    let attributes = try FileManager.default.attributesOfItem(atPath: "\(files.directory)/next-boot")
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    try files.write(Array("nonsense".utf8), "next-boot")
    #expect(try boots.token() == nil)
    for none in [nil, "nonsense", ""] {
      try boots.keep(token.text)
      try boots.keep(none)
      #expect(try boots.token() == nil && !FileManager.default.fileExists(atPath: "\(files.directory)/next-boot"))
    }
  }
}
