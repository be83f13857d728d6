// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import Testing
import X509

@testable import CertManager

/// What a node's certificate manager gets from an authority that it shares with other nodes, and what it does not.
@Suite struct ManagerBoundaryTests {
  private struct Site {
    let files: OpenSSL
    let store: AuthorityStore
    let manager: Certificate
    let other: Certificate

    init() throws {
      files = try OpenSSL()
      store = try AuthorityStore.make(
        "\(files.directory)/ca", application: "shop", kind: .p256, url: nil, credential: nil)
      manager = try Self.manager(store, "node1.example.org")
      other = try Self.manager(store, "node2.example.org")
    }

    static func manager(
      _ store: AuthorityStore, _ node: String, _ capabilities: AgentCapabilities? = nil, life: TimeInterval = 3600,
      now: Date = Date()
    ) throws -> Certificate {
      let grant = TokenGrant(
        node: node, subsystem: "cert-manager",
        capabilities: capabilities ?? .init(spawn: ["web", "db"], roles: ["component", AuthorityStore.managerRole]))
      let token = try store.ledger.makeToken(grant, life: 60, now: now)
      return try store.sign(try request(), token: token, life: life, now: now)
    }

    static func request(forged: Bool = false) throws -> CertificateSigningRequest {
      let made = try CertificateSigningRequest(
        version: .v1, subject: try DistinguishedName { CommonName("nobody") },
        privateKey: try KeyKind.p256.generate(), attributes: .init(), signatureAlgorithm: .ecdsaWithSHA256)
      guard forged else { return made }
      let stranger = try CertificateSigningRequest(
        version: .v1, subject: made.subject, privateKey: try KeyKind.p256.generate(), attributes: .init(),
        signatureAlgorithm: .ecdsaWithSHA256)
      return try CertificateSigningRequest(
        version: .v1, subject: made.subject, publicKey: made.publicKey, attributes: .init(),
        signatureAlgorithm: .ecdsaWithSHA256, signature: stranger.signature)
    }

    func child(
      _ subsystem: String = "web", agent: String = "a1", roles: [String] = ["component"], spawn: [String] = [],
      names: [String] = [], node: String = "whatever.example.org", forged: Bool = false
    ) throws -> AuthorityStore.Child {
      AuthorityStore.Child(
        request: try Self.request(forged: forged),
        identity: AgentIdentity(application: "other", subsystem: subsystem, agent: agent, node: node),
        capabilities: .init(spawn: spawn, roles: roles), names: names, life: 3600, isRenewal: false)
    }

    func refusal(_ body: () throws -> Void) throws -> String {
      let rows = try store.ledger.audit(last: 1000).count
      let problem = #expect(throws: CertificateProblem.self) { try body() }
      #expect(try store.ledger.audit(last: 1000).count == rows + 1, "it is written down")
      return "\(try #require(problem))"
    }
  }

  @Test func `application and node are the authority's to say`() throws {
    let site = try Site()
    let certificate = try site.store.issue(
      site.child(names: ["web.containers.internal"], node: "node2.example.org"), by: site.manager)
    let identity = try #require(AgentIdentity(certificate))
    #expect(identity.application == "shop" && identity.node == "node1.example.org" && identity.agent == "a1")
    #expect(try AgentCapabilities(certificate)?.roles == ["component"])
    #expect(try site.store.ledger.node(of: "a1") == "node1.example.org")
  }

  @Test func `nobody gets more for others than he has`() throws {
    let site = try Site()
    for (child, words) in [
      (try site.child("mail"), "may not have a mail"), (try site.child(roles: ["admin"]), "these capabilities"),
      (try site.child(roles: ["component", "operator"]), "these capabilities"),
      (try site.child(spawn: ["mail"]), "these capabilities"), (try site.child(spawn: ["*"]), "these capabilities"),
      (try site.child(names: ["ca.example.org"]), "below containers.internal"),
      (try site.child(names: ["web.containers.internal", "node2.example.org"]), "below containers.internal"),
      (try site.child(names: ["containers.internal"]), "below containers.internal"),
      (try site.child(forged: true), "not signed by the key"),
    ] {
      let said = try site.refusal { _ = try site.store.issue(child, by: site.manager) }
      #expect(said.contains(words), "\(said)")
    }
    #expect(try site.store.ledger.node(of: "a1") == nil)
  }

  @Test func `an agent of another node is nobody's here`() throws {
    let site = try Site()
    let certificate = try site.store.issue(site.child(), by: site.manager)
    let stolen = try site.refusal { _ = try site.store.issue(site.child(), by: site.other) }
    #expect(stolen.contains("another node's"))
    let ended = try site.refusal {
      try site.store.revoke(agent: "a1", sparing: nil, .cessationOfOperation, by: site.other)
    }
    #expect(ended.contains("another node's"))
    let manager = try #require(AgentIdentity(site.manager))
    _ = try site.refusal {
      try site.store.revoke(agent: manager.agent, sparing: nil, .cessationOfOperation, by: site.other)
    }
    #expect(try site.store.ledger.state(of: certificate.serialNumber) == .good)
    // What was never issued has nothing to be revoked; its own node may.
    try site.store.revoke(agent: "unknown", sparing: nil, .cessationOfOperation, by: site.other)
    try site.store.revoke(agent: "a1", sparing: nil, .cessationOfOperation, by: site.manager)
    #expect(try site.store.ledger.state(of: certificate.serialNumber) != .good)
  }

  @Test func `a caller is a manager, of this authority, now`() throws {
    let site = try Site()
    let plain = try Site.manager(site.store, "node3.example.org", .init(spawn: ["web"], roles: ["component", "admin"]))
    let past = try Site.manager(site.store, "node4.example.org", life: 60, now: Date() - 3600)
    let revoked = try Site.manager(site.store, "node5.example.org")
    try site.store.ledger.revoke(agent: try #require(AgentIdentity(revoked)).agent, sparing: nil, .keyCompromise)
    let elsewhere = try Site().manager
    for (caller, words) in [
      (plain, "only an agent with the role"), (past, "not good any more"), (revoked, "not good any more"),
      (elsewhere, "was not issued here"), (site.store.authority.intermediate, "was not issued here"),
    ] {
      let asked = try site.refusal { _ = try site.store.issue(site.child(agent: "a9"), by: caller) }
      #expect(asked.contains(words), "\(asked)")
      let ended = try site.refusal {
        try site.store.revoke(agent: "a9", sparing: nil, .cessationOfOperation, by: caller)
      }
      #expect(ended.contains(words), "\(ended)")
    }
    #expect(try site.store.ledger.verifyAudit() != .intact(rows: 0))
  }
}
