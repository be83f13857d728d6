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
  /// An authority that serves on loopback, and the directory of a manager.
  private struct Site {
    let files: OpenSSL
    let store: AuthorityStore
    let server: AuthorityServer
    let port: Int
    let instance: Int
    var manager: String { "\(files.directory)/manager" }

    init(instance: Int = .random(in: 1_000_000...9_000_000)) async throws {
      self.instance = instance
      files = try OpenSSL()
      store = try AuthorityStore.make(
        "\(files.directory)/ca", application: "shop", kind: .p256, url: nil, credential: nil)
      server = AuthorityServer(store: store, logger: Logger(label: "test"))
      port = try await server.start("127.0.0.1", port: 0, host: "127.0.0.1")
      try FileManager.default.createDirectory(atPath: manager, withIntermediateDirectories: true)
      let token = try store.ledger.makeToken(
        TokenGrant(
          node: "two.example", subsystem: "cert-manager", capabilities: CertificateManager.needed, afterBoot: 86400),
        life: 600)
      let words = "nodeagent.token=\(token.text) nodeagent.root=\(try store.authority.fingerprint)"
      try files.write(Array(words.utf8), "bootstrap")
    }

    func issuer(port: Int? = nil) throws -> RemoteIssuer {
      RemoteIssuer(
        AuthoritySettings(
          url: "https://127.0.0.1:\(port ?? self.port)", root: nil, bootstrap: .file("\(files.directory)/bootstrap")),
        instance: instance, directory: manager, logger: Logger(label: "test"))
    }

    /// Runs it until it can serve, and returns what ends it.
    func start(_ issuer: RemoteIssuer) async -> Task<Void, Never> {
      let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
      let running = Task { await issuer.run { isReady.finish() } }
      for await _ in ready {}
      return running
    }

    /// A manager is taken in and ends, and so does the authority.
    func liveAndEnd() async throws {
      let running = await start(try issuer())
      running.cancel()
      await running.value
      await server.stop()
    }

    func managers() throws -> [LedgerEntry] {
      try store.ledger.entries().filter { $0.identity.subsystem == "cert-manager" }
    }

    /// - Returns: true where there was a key that an earlier manager had left.
    @discardableResult
    func forget() async throws -> Bool {
      try await Blocking.run { [instance] in
        try Keyring.joinSession()
        try Keyring.link(Keyring.user, to: Keyring.session)
        guard let kept = try Keyring.find("nodeagent:manager:\(instance)", in: Keyring.session) else { return false }
        try Keyring.unlink(kept, from: Keyring.user)
        return true
      }
    }
  }

  @Test func `an answer that is lost costs no token, and makes no second certificate`() async throws {
    let site = try await Site()
    let store = site.store
    // Each answer after the authority has issued something is lost, three times.
    let wire = Mutex((issued: try store.ledger.entries().count, losses: 3))
    let proxy = try LosingProxy(to: site.port) {
      guard let count = try? store.ledger.entries().count else { return false }
      return wire.withLock { wire in
        guard count > wire.issued, wire.losses > 0 else { return false }
        wire.losses -= 1
        return true
      }
    }
    // What it has from a life before is refused each time, which is no answer to the other.
    try NextBoot(directory: site.manager).keep(BootstrapToken().text)
    let issuer = try site.issuer(port: proxy.port)
    let running = await site.start(issuer)
    let entries = try site.managers()
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
    let next = try #require(try NextBoot(directory: site.manager).token())
    let other = try KeyKind.p256.generate()
    let booted = try store.sign(
      try CertificateSigningRequest(
        version: .v1, subject: try DistinguishedName { CommonName("x") }, privateKey: other, attributes: .init()),
      token: next)
    #expect(AgentIdentity(booted)?.node == "two.example")
    running.cancel()
    await running.value
    await site.server.stop()
    #expect(try await site.forget())
  }

  @Test func `a manager that is started anew is what it was, also while the authority is away`() async throws {
    let site = try await Site()
    let first = try site.issuer()
    let running = await site.start(first)
    let serial = try #require(first.credential).certificate.serialNumber
    running.cancel()
    await running.value
    await site.server.stop()
    let second = try site.issuer()
    let again = await site.start(second)
    #expect(second.credential?.certificate.serialNumber == serial)
    let facts = try second.authority()
    #expect(facts.node == "two.example" && facts.root == site.store.authority.root)
    again.cancel()
    await again.value
    #expect(try await site.forget())
    #expect(try site.managers().count == 1)
  }

  @Test func `one whose renewal is due serves all the same while the authority is away`() async throws {
    let site = try await Site()
    try await site.liveAndEnd()
    // As if it had been down for eight of its twelve hours.
    let key = try AgentKey(.p256)
    let identity = AgentIdentity(application: "shop", subsystem: "cert-manager", agent: "m", node: "two.example")
    let old = OwnCredential(
      key: key,
      certificate: try site.store.authority.issue(
        identity, CertificateManager.needed, key: key.publicKey, now: Date() - 8 * 3600),
      intermediate: site.store.authority.intermediate)
    try await Blocking.run { try old.keep(site.instance) }
    let issuer = try site.issuer()
    let again = await site.start(issuer)
    #expect(issuer.credential?.certificate == old.certificate)
    #expect(try issuer.authority().node == "two.example")
    again.cancel()
    await again.value
    #expect(try await site.forget())
  }

  @Test func `what is left of another authority's is of no use`() async throws {
    let before = try await Site()
    try await before.liveAndEnd()
    // The same manager, by its number and user; its directory and its authority are others.
    let site = try await Site(instance: before.instance)
    let issuer = try site.issuer()
    let now = await site.start(issuer)
    #expect(try issuer.authority().root == site.store.authority.root)
    #expect(
      try site.managers().map(\.serial) == [issuer.credential.map { Ledger.hexadecimal($0.certificate.serialNumber) }])
    now.cancel()
    await now.value
    await site.server.stop()
    #expect(try await site.forget())
  }

  @Test func `who has changed its authority begins anew there`() async throws {
    let before = try await Site()
    try await before.liveAndEnd()
    let site = try await Site(instance: before.instance)
    // Its directory is the one that it had: what stands there is of the other authority.
    for name in ["authority.json", "next-boot"] {
      try FileManager.default.copyItem(atPath: "\(before.manager)/\(name)", toPath: "\(site.manager)/\(name)")
    }
    let issuer = RemoteIssuer(
      AuthoritySettings(
        url: "https://127.0.0.1:\(site.port)", root: try site.store.authority.fingerprint,
        bootstrap: .file("\(site.files.directory)/bootstrap")),
      instance: site.instance, directory: site.manager, logger: Logger(label: "test"))
    let now = await site.start(issuer)
    #expect(try issuer.authority().root == site.store.authority.root && site.managers().count == 1)
    now.cancel()
    await now.value
    await site.server.stop()
    #expect(try await site.forget())
  }
}
