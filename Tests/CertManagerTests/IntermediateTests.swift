// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import Logging
import Testing
import X509

@testable import CertManager

/// The next intermediate of an authority that is in use.
@Suite struct IntermediateTests {
  private struct Site {
    let files: OpenSSL
    let store: AuthorityStore
    var path: String { "\(files.directory)/ca" }

    init(_ kind: KeyKind = .p256, credential: Bool = false) throws {
      files = try OpenSSL()
      if credential { try files.write(Array("a credential of some length".utf8), "credential") }
      store = try AuthorityStore.make(
        "\(files.directory)/ca", application: "shop", kind: kind, url: "http://ca.example:9744",
        credential: credential ? "\(files.directory)/credential" : nil)
      try files.write(Array(try AuthorityStore.pem(store.authority.root).utf8), "root.pem")
    }

    func issue(_ name: String) throws -> (certificate: Certificate, key: Certificate.PrivateKey) {
      let grant = TokenGrant(node: "node1.example.org", subsystem: "web", capabilities: .init())
      let key = try KeyKind.p256.generate()
      let certificate = try store.sign(
        try CertificateSigningRequest(
          version: .v1, subject: try DistinguishedName { CommonName("x") }, privateKey: key, attributes: .init()),
        token: try store.ledger.makeToken(grant, life: 60))
      try files.write(Array(try AuthorityStore.pem(certificate).utf8), "\(name).pem")
      try files.write(
        Array(try store.chain(of: certificate).map(AuthorityStore.pem).joined().utf8), "\(name)-chain.pem")
      return (certificate, key)
    }

    func renewal(_ key: Certificate.PrivateKey) throws -> CertificateSigningRequest {
      try CertificateSigningRequest(
        version: .v1, subject: try DistinguishedName { CommonName("x") }, privateKey: key, attributes: .init())
    }

    /// With the list of whoever has signed it.
    func verify(_ name: String, _ list: [UInt8]) throws -> (code: Int32, text: String) {
      try files.write(list, "list.der")
      let made = try files.run("openssl", "crl", "-inform", "DER", "-in", "list.der", "-out", "list.pem")
      #expect(made.code == 0, "\(made)")
      return try files.run(
        "openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", "list.pem", "-CAfile", "root.pem", "-untrusted",
        "\(name)-chain.pem", "\(name).pem")
    }
  }

  /// An answer of the API to somebody without a certificate.
  private static func get(_ api: AuthorityAPI, _ path: String) -> AuthorityAnswer {
    api.answer(.init(method: .GET, path: path, bearer: nil, body: [], client: nil, isSecure: false))
  }

  @Test(arguments: KeyKind.allCases)
  func `what the one before has signed stays good, and the next signs from now on`(kind: KeyKind) throws {
    let site = try Site(kind)
    let api = AuthorityAPI(store: site.store, logger: Logger(label: "test"))
    let (before, _) = try site.issue("before")
    let (revoked, _) = try site.issue("revoked")
    let first = site.store.authority
    // Another process, with the server running.
    let aside = try AuthorityStore(site.path, credential: nil)
    let made = try aside.makeNextIntermediate()
    #expect(made.subject != first.intermediate.subject && made.publicKey != first.intermediate.publicKey)
    #expect(site.store.authority.intermediate == first.intermediate)
    #expect(Self.get(api, "/intermediate.der").status == .ok)
    #expect(site.store.authority.intermediate == made)
    let (after, key) = try site.issue("after")
    #expect(after.issuer == made.subject && before.issuer == first.intermediate.subject)
    try site.store.ledger.revoke(serial: Ledger.hexadecimal(revoked.serialNumber), .superseded)
    let lists = (Self.get(api, "/crl/\(first.identifier)"), Self.get(api, "/crl/\(site.store.authority.identifier)"))
    #expect(Self.get(api, "/crl").body == lists.1.body && lists.0.body != lists.1.body)
    for (name, list, isGood) in [("before", lists.0, true), ("revoked", lists.0, false), ("after", lists.1, true)] {
      let verified = try site.verify(name, list.body)
      #expect((verified.code == 0) == isGood, "\(name): \(verified)")
      #expect(isGood || verified.text.contains("certificate revoked"), "\(verified)")
    }
    // The certificate itself says where its own issuer's list is.
    let shown = try site.files.run("openssl", "x509", "-in", "before.pem", "-noout", "-text").text
    #expect(shown.contains("http://ca.example:9744/crl/\(first.identifier)"), "\(shown)")
    #expect(shown.contains("http://ca.example:9744/intermediate/\(first.identifier).der"), "\(shown)")
    #expect(Self.get(api, "/intermediate/\(first.identifier).der").body != Self.get(api, "/intermediate.der").body)
    // Whoever follows the list of today needs no other.
    let list = try VerifiedList(lists.1.body, issuer: made)
    #expect(list.contains(revoked.serialNumber) && !list.contains(before.serialNumber))
    for (name, state) in [("before", "good"), ("revoked", "revoked"), ("after", "good")] {
      #expect(
        try site.files.run(
          "openssl", "ocsp", "-issuer", "\(name)-chain.pem", "-cert", "\(name).pem", "-no_nonce", "-reqout", "question"
        ).code == 0)
      try site.files.write(site.store.ocspAnswer(to: try site.files.read("question")), "answer")
      let said = try site.files.run(
        "openssl", "ocsp", "-respin", "answer", "-issuer", "\(name)-chain.pem", "-cert", "\(name).pem", "-CAfile",
        "root.pem")
      #expect(said.text.contains("Response verify OK") && said.text.contains("\(name).pem: \(state)"), "\(said)")
    }
    // A renewal leads over.
    let next = try site.store.renew(before, try site.renewal(key))
    #expect(next.issuer == made.subject && AgentIdentity(next) == AgentIdentity(before))
    let log = try site.store.ledger.audit(last: 100)
    #expect(log.contains { $0.event == "intermediate made" && $0.data["key"] == site.store.authority.identifier })
    guard case .intact = try site.store.ledger.verifyAudit() else {
      Issue.record("the log is broken")
      return
    }
  }

  @Test func `a key goes when its last certificate has ended`() throws {
    let site = try Site(credential: true)
    let first = site.store.authority.identifier
    try site.store.makeNextIntermediate()
    func keys() throws -> Set<String> {
      Set(try FileManager.default.contentsOfDirectory(atPath: site.path).filter { $0.hasPrefix("intermediate") })
    }
    let both: Set = ["intermediate.pem", "intermediate.key", "intermediate-2.pem", "intermediate-2.key"]
    #expect(try keys() == both)
    let sealed = try site.files.read("ca/intermediate-2.key")
    #expect(sealed.starts(with: Array("nodeagent-sealed-1\n".utf8)))
    try site.store.forgetRetired(now: Date() + 6.9 * 86400)
    #expect(try keys() == both && site.store.authority(first) != nil)
    try site.store.forgetRetired(now: Date() + 7.1 * 86400)
    #expect(try keys() == both.subtracting(["intermediate.key"]) && site.store.authority(first) == nil)
    // And so it is for a server that starts now; the numbers go on.
    let again = try AuthorityStore(site.path, credential: "\(site.files.directory)/credential")
    #expect(again.authority.intermediate == site.store.authority.intermediate)
    try again.makeNextIntermediate()
    #expect(try keys().contains("intermediate-3.key"))
  }

  @Test func `the root's key may be elsewhere, and has to be the root's`() throws {
    let site = try Site()
    let (key, away) = ("\(site.path)/root.key", "\(site.files.directory)/away.key")
    try FileManager.default.moveItem(atPath: key, toPath: away)
    let missing = #expect(throws: CertificateProblem.self) { try site.store.makeNextIntermediate() }
    #expect(missing?.description.contains("--root-key") == true, "\(String(describing: missing))")
    let wrong = #expect(throws: CertificateProblem.self) {
      try site.store.makeNextIntermediate(rootKey: "\(site.path)/intermediate.key")
    }
    #expect(wrong?.description.contains("not the root's") == true, "\(String(describing: wrong))")
    #expect(!FileManager.default.fileExists(atPath: "\(site.path)/intermediate-2.pem"))
    // What an attempt has left that did not come to its end is no hindrance.
    try Data("half".utf8).write(to: URL(fileURLWithPath: "\(site.path)/intermediate-2.key"))
    let before = site.store.authority.intermediate
    #expect(try AuthorityStore(site.path, credential: nil).authority.intermediate == before)
    let made = try site.store.makeNextIntermediate(rootKey: away)
    #expect(try AuthorityStore(site.path, credential: nil).authority.intermediate == made && made != before)
  }

  @Test func `an embedded authority sees to it by itself`() async throws {
    let files = try OpenSSL()
    func issuer() throws -> EmbeddedIssuer {
      try EmbeddedIssuer(
        directory: "\(files.directory)/ca", application: "shop", node: "n.example", credential: nil,
        logger: Logger(label: "test"))
    }
    let store = try issuer().store
    let first = store.authority
    // One whose end is near, made years ago by the same root.
    let key = try Certificate.PrivateKey(
      pemEncoded: String(decoding: try files.read("ca/root.key"), as: UTF8.self))
    let old = try CertificateAuthority.next(
      of: first.root, rootKey: key, application: "shop", number: 1, url: nil, key: first.key,
      now: Date() - CertificateAuthority.intermediateLife * 0.9)
    try files.write(Array(try AuthorityStore.pem(old.intermediate).utf8), "ca/intermediate.pem")
    let issuing = try issuer()
    #expect(issuing.store.isIntermediateEnding())
    let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
    let running = Task { await issuing.run { isReady.finish() } }
    for await _ in ready {}
    #expect(!issuing.store.isIntermediateEnding() && issuing.store.authority.intermediate != old.intermediate)
    let agent = try AgentKey(.p256)
    let issued = try await issuing.issue(
      AgentIdentity(application: "shop", subsystem: "web", agent: "a", node: "n.example"), .init(), key: agent,
      names: [], life: 60, event: "issued", isAgain: false)
    #expect(issued.certificate.issuer == issued.intermediate.subject)
    #expect(issued.intermediate == issuing.store.authority.intermediate)
    running.cancel()
    await running.value
  }
}
