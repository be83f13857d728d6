// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import JSONRPC
import LinuxKernel
import Logging
import Synchronization
import Testing
import X509

@testable import CertManager

/// A container may forbid them.
private enum Keys {
  static let areThere = (try? Keyring.joinSession()) != nil
}

/// A node's manager and its authority, with a wire between them that loses answers.
@Suite(.enabled(if: Keys.areThere, "needs the kernel's keyrings")) struct RemoteIssuerTests {
  @Test func `an answer that is lost costs no token, and makes no second certificate`() async throws {
    let files = try OpenSSL()
    let store = try AuthorityStore.make(
      "\(files.directory)/ca", application: "shop", kind: .p256, url: nil, credential: nil)
    let server = AuthorityServer(store: store, logger: Logger(label: "test"))
    let port = try await server.start("127.0.0.1", port: 0, host: "127.0.0.1")
    @Sendable func managers() throws -> [LedgerEntry] {
      try store.ledger.entries().filter { $0.identity.subsystem == "cert-manager" }
    }
    // Each answer after the authority has issued something is lost, three times.
    let wire = Mutex((issued: try store.ledger.entries().count, losses: 3))
    let proxy = try LosingProxy(to: port) {
      guard let count = try? store.ledger.entries().count else { return false }
      return wire.withLock { wire in
        guard count > wire.issued, wire.losses > 0 else { return false }
        wire.losses -= 1
        return true
      }
    }
    let token = try store.ledger.makeToken(
      TokenGrant(
        node: "two.example", subsystem: "cert-manager", capabilities: CertificateManager.needed, afterBoot: 86400),
      life: 600)
    try files.write(Array("nodeagent.token=\(token.text)".utf8), "bootstrap")
    let instance = Int.random(in: 1_000_000...9_000_000)
    try FileManager.default.createDirectory(atPath: "\(files.directory)/manager", withIntermediateDirectories: true)
    // What it has from a life before is refused each time, which is no answer to the other.
    try NextBoot(directory: "\(files.directory)/manager").keep(BootstrapToken().text)
    let issuer = RemoteIssuer(
      AuthoritySettings(
        url: "https://127.0.0.1:\(proxy.port)", root: try store.authority.fingerprint,
        bootstrap: .file("\(files.directory)/bootstrap")),
      instance: instance, directory: "\(files.directory)/manager", logger: Logger(label: "test"))
    let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
    let running = Task { await issuer.run { isReady.finish() } }
    for await _ in ready {}
    let entries = try managers()
    #expect(entries.count == 1 && wire.withLock { $0.losses } == 0)
    #expect(entries.first?.serial == issuer.credential.map { Ledger.hexadecimal($0.certificate.serialNumber) })
    #expect(try store.ledger.audit(last: 100).filter { $0.event == "handed out again" }.count >= 1)
    // What it does next works, with the key that the certificate is for; and is lost in the same way.
    let key = try AgentKey(.p256)
    func issue(_ event: String, isAgain: Bool) async throws -> Certificate {
      try await issuer.issue(
        AgentIdentity(application: "shop", subsystem: "web", agent: "a", node: "two.example"), .init(), key: key,
        names: [], life: 600, event: event, isAgain: isAgain
      ).certificate
    }
    for event in ["issued", "renewed"] {
      let before = try store.ledger.entries().count
      wire.withLock { $0 = (before, 1) }
      await #expect(throws: CertificateProblem.self) { try await issue(event, isAgain: false) }
      let certificate = try await issue(event, isAgain: true)
      #expect(certificate.publicKey == key.publicKey)
      #expect(try store.ledger.entries().count == before + 1)
      // Without the word of a loss it is another request.
      #expect(try await issue(event, isAgain: false) != certificate)
    }
    // The token for the next boot is one that the authority knows.
    let next = try #require(try NextBoot(directory: "\(files.directory)/manager").token())
    let other = try KeyKind.p256.generate()
    let booted = try store.sign(
      try CertificateSigningRequest(
        version: .v1, subject: try DistinguishedName { CommonName("x") }, privateKey: other, attributes: .init()),
      token: next)
    #expect(AgentIdentity(booted)?.node == "two.example")
    running.cancel()
    await running.value
    await server.stop()
    try await Blocking.run {
      try Keyring.joinSession()
      try Keyring.link(Keyring.user, to: Keyring.session)
      let kept = try Keyring.find("nodeagent:manager:\(instance)", in: Keyring.session)
      #expect(kept != nil)
      if let kept { try Keyring.unlink(kept, from: Keyring.user) }
    }
  }
}
