// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import JSONRPC
import Synchronization
import Testing
import X509

@testable import CertManager

@Suite struct LedgerTests {
  private static let grant = TokenGrant(
    node: "node1.example.org", subsystem: "node-controller", capabilities: .init(spawn: ["container-controller"]))

  /// An authority in a directory of its own, with a request for a new agent.
  private struct Site {
    let files: OpenSSL
    let store: AuthorityStore
    let request: CertificateSigningRequest

    init(credential: String? = nil) throws {
      files = try OpenSSL()
      store = try AuthorityStore.make(
        "\(files.directory)/ca", application: "shop", kind: .p256, url: nil, credential: credential)
      let key = try KeyKind.p256.generate()
      request = try CertificateSigningRequest(
        version: .v1, subject: try DistinguishedName { CommonName("nobody") }, privateKey: key,
        attributes: .init(), signatureAlgorithm: .ecdsaWithSHA256)
    }
  }

  @Test func `a token is good once, for what it was made for`() throws {
    let site = try Site()
    let token = try site.store.ledger.makeToken(Self.grant, life: 60)
    let certificate = try site.store.sign(site.request, token: token, endpoints: ["https://a:1"])
    let identity = try #require(AgentIdentity(certificate))
    #expect(identity.node == "node1.example.org" && identity.subsystem == "node-controller")
    #expect(identity.application == "shop" && identity.endpoints == ["https://a:1"])
    #expect(try AgentCapabilities(certificate)?.spawn == ["container-controller"])
    #expect(certificate.publicKey == site.request.publicKey)
    let again = #expect(throws: CertificateProblem.self) { try site.store.sign(site.request, token: token) }
    #expect("\(try #require(again))".contains("used already"))
    let unknown = #expect(throws: CertificateProblem.self) {
      try site.store.sign(site.request, token: BootstrapToken())
    }
    #expect("\(try #require(unknown))".contains("not known"))
    let late = try site.store.ledger.makeToken(Self.grant, life: 60, now: Date() - 120)
    let old = #expect(throws: CertificateProblem.self) { try site.store.sign(site.request, token: late) }
    #expect("\(try #require(old))".contains("too old"))
    // What is refused for another reason does not use it up.
    let other = try site.store.ledger.makeToken(Self.grant, life: 60)
    #expect(throws: CertificateProblem.self) {
      try site.store.sign(site.request, token: other, endpoints: ["no uri"])
    }
    _ = try site.store.sign(site.request, token: other)
    #expect(try site.store.ledger.entries().count == 2)
    // 2 made, 2 of them used, 4 refusals, and one token of the past.
    #expect(try site.store.ledger.verifyAudit() == .intact(rows: 9))
  }

  @Test func `of many at the same time one gets it`() async throws {
    let site = try Site()
    let token = try site.store.ledger.makeToken(Self.grant, life: 60)
    // Another process's connection, too.
    let second = try AuthorityStore("\(site.files.directory)/ca", credential: nil)
    let (first, request) = (site.store, site.request)
    let wins = await withTaskGroup(of: Bool.self) { group in
      for index in 0..<40 {
        group.addTask { (try? (index % 2 == 0 ? first : second).sign(request, token: token)) != nil }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(wins == 1)
    #expect(try site.store.ledger.entries().count == 1)
    #expect(try site.store.ledger.verifyAudit() == .intact(rows: 41))
  }

  @Test func `refusals do not fill the disk`() throws {
    let site = try Site()
    let now = Date(timeIntervalSince1970: 1_800_000_000)
    for _ in 0..<(Ledger.mostRefusals + 40) { try site.store.ledger.refuse("token", .refused("no"), now) }
    #expect(try site.store.ledger.verifyAudit() == .intact(rows: Ledger.mostRefusals))
    try site.store.ledger.refuse("token", .refused("no"), now + 60)
    let database = try Database("\(site.files.directory)/ca/ledger.db")
    let last = try database.run("SELECT data FROM audit ORDER BY number DESC LIMIT 1").first?.first?.text
    #expect(last?.contains("\"leftOut\":\"40\"") ?? false, "\(last ?? "")")
  }

  @Test func `a request has to be signed by the key that it is for`() throws {
    let site = try Site()
    let token = try site.store.ledger.makeToken(Self.grant, life: 60)
    let forged = try CertificateSigningRequest(
      version: .v1, subject: try DistinguishedName { CommonName("nobody") },
      publicKey: try KeyKind.p256.generate().publicKey, attributes: .init(), signatureAlgorithm: .ecdsaWithSHA256,
      signature: site.request.signature)
    #expect(throws: CertificateProblem.self) { try site.store.sign(forged, token: token) }
    _ = try site.store.sign(site.request, token: token)
  }

  @Test func `revoked certificates are on the list until they end`() throws {
    let site = try Site()
    let token = try site.store.ledger.makeToken(Self.grant, life: 60)
    let certificate = try site.store.sign(site.request, token: token, life: 600)
    let serial = try #require(try site.store.ledger.entries().first).serial
    #expect(try site.store.ledger.state(of: certificate.serialNumber) == .good)
    #expect(try site.store.ledger.revoke(serial: serial, .keyCompromise))
    #expect(try !site.store.ledger.revoke(serial: serial, .superseded))
    #expect(throws: CertificateProblem.self) { try site.store.ledger.revoke(serial: "00", .superseded) }
    guard case .revoked(_, .keyCompromise) = try site.store.ledger.state(of: certificate.serialNumber) else {
      Issue.record("it is not revoked")
      return
    }
    #expect(try site.store.ledger.revocations().map(\.serial) == [certificate.serialNumber])
    #expect(try site.store.ledger.revocations(now: Date() + 601).isEmpty)
    #expect(try site.store.ledger.nextListNumber() + 1 == site.store.ledger.nextListNumber())
  }

  @Test(arguments: [
    ("UPDATE audit SET data = replace(data, 'node1', 'node2') WHERE number = 2", 2),
    ("UPDATE audit SET time = time + 1 WHERE number = 1", 1),
    ("DELETE FROM audit WHERE number = 2", 2),
    ("DELETE FROM audit WHERE number = 3", 3),
    ("INSERT INTO audit SELECT 4, time, event, data, hash FROM audit WHERE number = 3", 4),
    (
      "UPDATE audit SET number = -number WHERE number IN (1, 2); UPDATE audit SET number = 3 + number WHERE number < 0",
      1
    ),
    ("DELETE FROM audit; DELETE FROM heads WHERE name = 'nothing'", 1),
  ])
  func `a row that is changed, removed or moved is found`(change: String, row: Int) throws {
    let site = try Site()
    for _ in 0..<3 { _ = try site.store.ledger.makeToken(Self.grant, life: 60) }
    #expect(try site.store.ledger.verifyAudit() == .intact(rows: 3))
    let database = try Database("\(site.files.directory)/ca/ledger.db")
    for statement in change.split(separator: ";") { try database.run(String(statement)) }
    guard case .broken(let found, _) = try site.store.ledger.verifyAudit() else {
      Issue.record("it was not found")
      return
    }
    #expect(found == row)
  }

  @Test func `tokens and keys are not in the files`() throws {
    let files = try OpenSSL()
    try files.write(Array("a credential of some length".utf8), "credential")
    let path = "\(files.directory)/credential"
    let store = try AuthorityStore.make(
      "\(files.directory)/ca", application: "shop", kind: .p256, url: nil, credential: path)
    let token = try store.ledger.makeToken(Self.grant, life: 60)
    for name in try FileManager.default.contentsOfDirectory(atPath: "\(files.directory)/ca") {
      let text = String(decoding: try files.read("ca/\(name)"), as: UTF8.self)
      #expect(!text.contains("PRIVATE KEY") && !text.contains(token.text), "\(name)")
    }
    #expect(throws: CertificateProblem.self) { try AuthorityStore("\(files.directory)/ca", credential: nil) }
    try files.write(Array("another credential of that length".utf8), "other")
    let wrong = #expect(throws: CertificateProblem.self) {
      try AuthorityStore("\(files.directory)/ca", credential: "\(files.directory)/other")
    }
    #expect("\(try #require(wrong))".contains("another credential"))
    _ = try AuthorityStore("\(files.directory)/ca", credential: path)
    #expect(throws: CertificateProblem.self) {
      try AuthorityStore.make("\(files.directory)/ca", application: "shop", kind: .p256, url: nil, credential: path)
    }
  }

  @Test func `what is no token is known at once`() {
    for text in [
      "", "na1.", "na1." + String(repeating: "a", count: 51), "na2." + String(repeating: "a", count: 52),
      "na1." + String(repeating: "A", count: 52), "na1." + String(repeating: "a", count: 53),
    ] {
      #expect(BootstrapToken(text) == nil)
    }
    let tokens = Set((0..<100).map { _ in BootstrapToken().text })
    #expect(tokens.count == 100 && tokens.allSatisfy { BootstrapToken($0) != nil })
  }

  @Test func `changes that come together are on the disk together, and one that fails takes no other with it`()
    async throws
  {
    let site = try Site()
    let key = try KeyKind.p256.generate()
    let kept = try await withThrowingTaskGroup(of: Bool.self) { group in
      for index in 0..<120 {
        group.addTask { [store = site.store] in
          // Each third has a token that nobody has made.
          guard index % 3 > 0 else {
            do {
              _ = try await Blocking.run {
                try store.ledger.redeem(BootstrapToken(), for: key.publicKey) { _ in
                  throw CertificateProblem.refused("never")
                }
              }
              return true
            } catch is CertificateProblem {
              return false
            }
          }
          let identity = AgentIdentity(application: "shop", subsystem: "web", agent: "a\(index)", node: "n.example")
          try await Blocking.run {
            let certificate = try store.authority.issue(identity, .init(), key: key.publicKey)
            try store.ledger.record(certificate, identity, .init(), event: "issued")
          }
          return true
        }
      }
      return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(kept == 80)
    #expect(try site.store.ledger.entries().count == 80)
    #expect(try site.store.ledger.verifyAudit() == .intact(rows: 120))
    #expect(try site.store.ledger.audit(last: 200).map(\.number) == Array(1...120))
  }
}
