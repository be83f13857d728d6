// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Crypto
import Foundation
import JSONRPC
import LaunchPlan
import LinuxKernel
import Testing
import X509

@testable import CertManager

@Suite struct AgentKeyTests {
  @Test(arguments: AgentKey.kinds)
  func `a key is what openssl takes for one, and fits its certificate`(kind: KeyKind) throws {
    let files = try OpenSSL()
    let key = try AgentKey(kind)
    let (authority, _) = try CertificateAuthority.make(application: "shop")
    let certificate = try authority.issue(
      AgentIdentity(application: "shop", subsystem: "web", agent: "a", node: "n.example"), .init(), key: key.publicKey)
    let header = RedeemRequest.header(errno: 0, seconds: 77)
    let text = try [certificate, authority.intermediate].map(AuthorityStore.pem).joined()
    let payload = try key.payload(header: header, behind: Array(text.utf8)).withBytes { Array($0) }
    #expect(Array(payload.prefix(header.count)) == header)
    try files.write(payload.dropFirst(header.count), "id.pem")
    try files.write(Array(try AuthorityStore.pem(authority.root).utf8), "root.pem")
    let checked = try files.run("openssl", "pkey", "-in", "id.pem", "-noout", "-check")
    #expect(checked.text.contains("Key is valid"), "\(checked)")
    let verified = try files.run(
      "openssl", "verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "id.pem", "id.pem")
    #expect(verified.code == 0, "\(verified)")
    let own = try files.run("openssl", "pkey", "-in", "id.pem", "-pubout")
    let certified = try files.run("openssl", "x509", "-in", "id.pem", "-pubkey", "-noout")
    #expect(own.text == certified.text && own.text.contains("PUBLIC KEY"))
    // What the manager signs is a signature by the same key.
    try files.write(Array("something".utf8), "data")
    try files.write(try key.sign(Array("something".utf8)), "signature")
    try files.write(Array(own.text.utf8), "public.pem")
    let signed =
      kind == .p256
      ? try files.run("openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "data")
      : try files.run(
        "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "data", "-sigfile",
        "signature")
    #expect(signed.code == 0, "\(signed)")
  }

  @Test func `Base64 in locked memory is Base64`() throws {
    for count in 0...200 {
      let bytes = (0..<count).map { _ in UInt8.random(in: 0 ... .max) }
      let text = try LockedBytes(count: PEMText.size(of: count)) { text in
        bytes.withUnsafeBytes { PEMText.encode($0, into: text) }
      }
      let expected = Data(bytes).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
      let lines = expected.isEmpty ? "" : "\(expected)\n"
      #expect(text.withBytes { String(decoding: $0, as: UTF8.self) } == lines)
    }
  }
}

@Suite struct RenewalPlanTests {
  private static let issued = Date(timeIntervalSince1970: 1_000_000)

  @Test(arguments: [0, 0.3, 1])
  func `a certificate is renewed at half of its life, or a little sooner`(jitter: Double) {
    let plan = RenewalPlan(issued: Self.issued, ends: Self.issued + 3600, jitter: jitter)
    #expect((1620...1800).contains(plan.due.timeIntervalSince(Self.issued)))
    #expect(plan.warning.timeIntervalSince(Self.issued) == 2700)
  }

  @Test(arguments: [(1, 1.0), (2, 2), (4, 8), (9, 256), (10, 300), (100, 300)])
  func `tries in vain are further and further apart`(failures: Int, seconds: Double) {
    let plan = RenewalPlan(issued: Self.issued, ends: Self.issued + 43_200, jitter: 0, failures: failures)
    #expect(plan.pause == seconds)
    let short = RenewalPlan(issued: Self.issued, ends: Self.issued + 60, jitter: 1, failures: failures)
    #expect(short.pause <= 6)
  }
}

@Suite struct IdentityRegistryTests {
  /// The certificate in what a keyring gets.
  private static func certificate(_ payload: ManagedIdentity.Payload) throws -> Certificate {
    let text = payload.packet.withBytes { String(decoding: $0.dropFirst(RedeemRequest.headerSize), as: UTF8.self) }
    let start = try #require(text.range(of: "-----BEGIN CERTIFICATE-----"))
    let end = try #require(text.range(of: "-----END CERTIFICATE-----"))
    return try Certificate(pemEncoded: String(text[start.lowerBound..<end.upperBound]))
  }

  @Test func `a child gets the identity that its parent has asked for`() async throws {
    let site = try await ManagerSite()
    let token = try await site.request()
    #expect(token.token.hasPrefix("3."))
    let payload = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    let certificate = try Self.certificate(payload)
    let identity = try #require(AgentIdentity(certificate))
    #expect(identity.agent == token.agent && identity.subsystem == "web" && identity.node == "node1.example.org")
    #expect(identity.endpoints == ["http+tcp://\(token.agent).node1.example.org:80"])
    #expect(try AgentCapabilities(certificate) == AgentCapabilities(roles: ["component"]))
    let view = try #require(await site.view(token.agent))
    #expect(view.state == .active && view.delivery == .keyring && view.fresh != true && view.name == "web")
    #expect(try site.live(token.agent) == [payload.serial])
  }

  @Test func `of many who have a token, one gets the identity`() async throws {
    let site = try await ManagerSite()
    let token = try await site.request()
    let served = await withTaskGroup(of: Bool.self) { group in
      for index in 0..<40 {
        group.addTask {
          if index % 2 == 0 {
            return (try? await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)) != nil
          }
          return (try? await site.registry.redeemForSigner(token.token, uid: ManagerSite.child)) != nil
        }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(served == 1)
    #expect(try site.live(token.agent).count == 1)
    // Each refusal is in both logs.
    #expect(try site.events.list(.init(.init())).filter { $0.event == "refused" }.count == 39)
    guard case .intact(let rows) = try site.issuer.embedded.store.ledger.verifyAudit() else {
      Issue.record("the log is broken")
      return
    }
    #expect(rows >= 39)
  }

  @Test(arguments: [
    "", "3.", "3.aaaa", "x", "4.\(String(repeating: "a", count: 52))", String(repeating: "9", count: 9999),
  ])
  func `what is no token is refused`(text: String) async throws {
    let site = try await ManagerSite()
    await #expect(throws: RPCError.self) { try await site.registry.redeemForKeyring(text, uid: ManagerSite.child) }
    #expect(try site.events.list(.init(.init())).contains { $0.event == "refused" })
  }

  @Test func `a token is for one user, and stays good when another tries it`() async throws {
    let site = try await ManagerSite()
    let token = try await site.request()
    for uid in [0, 900, 100_001] as [UInt32] {
      await #expect(throws: RPCError.self) { try await site.registry.redeemForKeyring(token.token, uid: uid) }
    }
    _ = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
  }

  @Test func `nobody gives what he does not have`() async throws {
    let site = try await ManagerSite()
    func ask(_ request: CertMethods.Request, _ uid: UInt32) async -> RPCError? {
      do {
        _ = try await site.registry.request(request, by: uid)
        return nil
      } catch {
        return error as? RPCError
      }
    }
    let stranger = await ask(.init(subsystem: "web", uid: 5), 5000)
    #expect(stranger?.code == .permissionDenied && stranger?.message.contains("has no identity here") == true)
    #expect(await ask(.init(subsystem: "web", uid: 5, roles: ["admin"]), 900)?.code == .permissionDenied)
    #expect(await ask(.init(subsystem: "web", uid: 0), 900)?.message == "only root asks for root")
    // A child may ask for what its own certificate names, and for nothing else.
    let token = try await site.registry.request(
      .init(subsystem: "pool", uid: 777, roles: ["component"], spawn: ["worker"]), by: 900)
    _ = try await site.registry.redeemForSigner(token.token, uid: 777)
    #expect(await ask(.init(subsystem: "worker", uid: 778, roles: ["component"]), 777) == nil)
    #expect(await ask(.init(subsystem: "web", uid: 778), 777)?.code == .permissionDenied)
    #expect(await ask(.init(subsystem: "worker", uid: 778, spawn: ["worker", "web"]), 777)?.code == .permissionDenied)
    for bad in [
      CertMethods.Request(subsystem: "no.label", uid: 5), .init(subsystem: "web", uid: 5, name: "../x"),
      .init(subsystem: "web", uid: 5, key: "rsa-2048"), .init(subsystem: "web", uid: 5, life: 1),
    ] {
      #expect(await ask(bad, 900)?.code == .invalidParams, "\(bad)")
    }
  }

  @Test func `keys are used by their agent alone`() async throws {
    let site = try await ManagerSite()
    let token = try await site.registry.request(.init(subsystem: "tool", uid: 777), by: 900)
    let chain = try await site.registry.redeemForSigner(token.token, uid: 777)
    let data = Array("a handshake".utf8)
    let asked = CertMethods.Sign(
      agent: token.agent, serial: chain.serial, data: Data(data).base64EncodedString())
    let signature = try await site.registry.sign(asked, by: 777)
    let certificate = try Certificate(pemEncoded: chain.chain[0])
    let key = try #require(P256.Signing.PublicKey(certificate.publicKey))
    let bytes = try #require(Data(base64Encoded: signature.signature))
    #expect(key.isValidSignature(try .init(derRepresentation: bytes), for: data))
    for uid in [0, 900, 778] as [UInt32] {
      await #expect(throws: RPCError.self, "\(uid)") { try await site.registry.sign(asked, by: uid) }
    }
    var other = asked
    other.serial = "00"
    await #expect(throws: RPCError.self) { try await site.registry.sign(other, by: 777) }
    // The certificate before is signed with until its holder has fetched the next.
    _ = try await site.registry.renew(token.agent, by: 777)
    _ = try await site.registry.sign(asked, by: 777)
    #expect(try await site.registry.chain(token.agent, by: 777).serial != chain.serial)
  }

  @Test func `an authority that is away costs time, and no token`() async throws {
    let site = try await ManagerSite()
    site.issuer.isAway.withLock { $0 = true }
    let token = try await site.request()
    let refused = await #expect(throws: RPCError.self) {
      try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    }
    #expect(refused?.code == .unavailable && refused?.message.contains("the authority is away") == true)
    #expect(await site.view(token.agent)?.problem != nil)
    site.issuer.isAway.withLock { $0 = false }
    _ = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    #expect(try site.live(token.agent).count == 1)
  }

  @Test(arguments: [1, 3]) func `an answer that is lost makes no second certificate`(losses: Int) async throws {
    let site = try await ManagerSite()
    site.issuer.losses.withLock { $0 = losses }
    let token = try await site.request()
    try await site.eventually("it is signed") { await site.view(token.agent)?.state == .issued }
    #expect(site.issuer.losses.withLock { $0 } < 0)
    let entries = try site.issuer.embedded.store.ledger.entries().filter { $0.identity.agent == token.agent }
    #expect(entries.count == 1)
    #expect(try await site.live(token.agent) == [site.view(token.agent)?.serial].compactMap { $0 })
    // The key is that of the certificate.
    let payload = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    #expect(payload.serial == entries.first?.serial)
    // A renewal, too.
    site.issuer.losses.withLock { $0 = losses }
    await #expect(throws: RPCError.self) { try await site.registry.renew(token.agent, by: 0) }
    try await site.eventually("it is renewed") {
      let serial = await site.view(token.agent)?.serial
      return serial != nil && serial != payload.serial
    }
    #expect(
      try site.issuer.embedded.store.ledger.entries().filter { $0.identity.agent == token.agent }.count == 2)
  }

  @Test func `a renewal whose answer is lost with the manager is nobody's`() async throws {
    let site = try await ManagerSite()
    let token = try await site.request()
    let first = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    site.issuer.losses.withLock { $0 = 1_000_000 }
    await #expect(throws: RPCError.self) { try await site.registry.renew(token.agent, by: 0) }
    // The authority has signed for a key that dies with this manager.
    let lost = try #require(try site.live(token.agent).first { $0 != first.serial })
    // That manager tries no more, as if it were dead.
    site.issuer.refusing.withLock { $0 = true }
    try await site.eventually("it has given up") { await site.view(token.agent)?.problem?.contains("not you") ?? false }
    site.issuer.refusing.withLock { $0 = false }
    site.issuer.losses.withLock { $0 = 0 }
    let again = try await ManagerSite(again: site)
    try await again.eventually("there is a next one") { await again.view(token.agent)?.fresh == true }
    let live = try again.live(token.agent)
    #expect(live.count == 2 && live.contains(first.serial) && !live.contains(lost), "\(live) \(lost)")
  }

  @Test func `a renewal that is refused before its time is left at that`() async throws {
    let site = try await ManagerSite()
    let token = try await site.request()
    _ = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    try await site.eventually("all are signed") { await site.registry.list(nil).allSatisfy { $0.state != .pending } }
    let asked = site.issuer.asked.withLock { $0 }
    site.issuer.refusing.withLock { $0 = true }
    let refused = await #expect(throws: RPCError.self) { try await site.registry.renew(token.agent, by: 0) }
    #expect(refused?.message.contains("not you") == true)
    // Its time is hours away; it must not be asked for every second until then.
    try await Task.sleep(for: .milliseconds(2500))
    #expect(site.issuer.asked.withLock { $0 } == asked + 1)
    site.issuer.refusing.withLock { $0 = false }
    _ = try await site.registry.renew(token.agent, by: 0)
    #expect(await site.view(token.agent)?.problem == nil)
  }

  @Test func `what is half over is renewed, and taken up with another token`() async throws {
    let site = try await ManagerSite()
    site.issuer.left.withLock { $0 = 4 }
    let token = try await site.request(life: 60)
    let first = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    site.issuer.left.withLock { $0 = nil }
    try await site.eventually("a next certificate") { await site.view(token.agent)?.fresh == true }
    await #expect(throws: RPCError.self) {
      try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    }
    let next = try await site.registry.token(token.agent, by: ManagerSite.controller)
    let second = try await site.registry.redeemForKeyring(next.token, uid: ManagerSite.child)
    #expect(second.serial != first.serial)
    #expect(AgentIdentity(try Self.certificate(second))?.agent == token.agent)
    await #expect(throws: RPCError.self) { try await site.registry.token(token.agent, by: 4711) }
  }

  @Test func `somebody is told before an identity ends, and when it has`() async throws {
    let site = try await ManagerSite()
    site.issuer.left.withLock { $0 = 3 }
    let token = try await site.request(life: 60)
    _ = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    site.issuer.isAway.withLock { $0 = true }
    func told(_ event: String) throws -> AgentEvent? {
      try site.events.list(.init(.init())).first { $0.event == event && $0.name == "web" }
    }
    try await site.eventually("it is expired") { try told("expired") != nil }
    #expect(try told("ending")?.severity == .warning && told("not signed") != nil)
    #expect(await site.view(token.agent)?.state == .expired)
    site.issuer.isAway.withLock { $0 = false }
    site.issuer.left.withLock { $0 = nil }
    try await site.eventually("it is good again") { await site.view(token.agent)?.state == .active }
  }

  @Test func `what has ended is revoked, now or when the authority is back`() async throws {
    let site = try await ManagerSite()
    let (first, second) = (try await site.request("a"), try await site.request("b"))
    _ = try await site.registry.redeemForKeyring(first.token, uid: ManagerSite.child)
    await #expect(throws: RPCError.self) { try await site.registry.revoke(.init(agent: first.agent), by: 4711) }
    try await site.registry.revoke(.init(agent: first.agent), by: ManagerSite.controller)
    #expect(try site.live(first.agent).isEmpty)
    try await site.eventually("it is forgotten") { await site.view(first.agent) == nil }
    try await site.eventually("the other is signed") { await site.view(second.agent)?.state == .issued }
    site.issuer.isAway.withLock { $0 = true }
    try await site.registry.revoke(.init(agent: second.agent, reason: "key-compromise"), by: 0)
    #expect(await site.view(second.agent)?.state == .ended)
    await #expect(throws: RPCError.self) {
      try await site.registry.redeemForKeyring(second.token, uid: ManagerSite.child)
    }
    // A manager that is started meanwhile knows of it, too.
    let next = try await ManagerSite(again: site)
    site.issuer.isAway.withLock { $0 = false }
    try await next.eventually("it is revoked") { try next.live(second.agent).isEmpty }
    try await next.eventually("its record is gone") {
      try FileManager.default.contentsOfDirectory(atPath: "\(site.files.directory)/identities").count == 2
    }
  }

  @Test func `a manager that dies loses no identity, and issues none twice`() async throws {
    let site = try await ManagerSite()
    let (taken, waiting) = (try await site.request("a"), try await site.request("b"))
    let payload = try await site.registry.redeemForKeyring(taken.token, uid: ManagerSite.child)
    try await site.eventually("it is signed") { await site.view(waiting.agent)?.state == .issued }
    let own = await site.registry.list(["container-controller"])
    let next = try await ManagerSite(again: site)
    // What its agent has is left alone; its token is still used.
    #expect(await next.view(taken.agent)?.serial == payload.serial)
    await #expect(throws: RPCError.self) {
      try await next.registry.redeemForKeyring(taken.token, uid: ManagerSite.child)
    }
    // One that nobody has taken up lost its key with the manager: it is signed anew, for the same token.
    let late = try await next.registry.redeemForKeyring(waiting.token, uid: ManagerSite.child)
    #expect(try next.live(waiting.agent) == [late.serial])
    #expect(try next.live(taken.agent) == [payload.serial])
    // So are those that the manager signs for.
    let agent = try #require(own.first?.agent)
    try await next.eventually("one is good") { try next.live(agent).count == 1 }
    #expect(await next.registry.list(["container-controller"]).map(\.agent) == [agent])
  }

  @Test func `a renewal that was not handed over is nobody's when the manager dies`() async throws {
    let site = try await ManagerSite()
    let token = try await site.request("a")
    let payload = try await site.registry.redeemForKeyring(token.token, uid: ManagerSite.child)
    _ = try await site.registry.renew(token.agent, by: ManagerSite.controller)
    let lost = try #require(await site.view(token.agent)?.serial)
    #expect(try Set(site.live(token.agent)) == [payload.serial, lost])
    let next = try await ManagerSite(again: site)
    // What its agent has goes on; what nobody can have any more is revoked, and there is another next one.
    try await next.eventually("there is another") {
      let serial = await next.view(token.agent)?.serial
      return serial != lost && serial != payload.serial
    }
    let live = try Set(next.live(token.agent))
    #expect(live.contains(payload.serial) && !live.contains(lost) && live.count == 2)
    #expect(await next.view(token.agent)?.fresh == true)
    let again = try await next.registry.token(token.agent, by: ManagerSite.controller)
    let taken = try await next.registry.redeemForKeyring(again.token, uid: ManagerSite.child)
    #expect(live.contains(taken.serial))
  }

  @Test func `a record that cannot be read is told, and the others are taken`() async throws {
    let site = try await ManagerSite()
    let token = try await site.request()
    try site.files.write(Array("{\"identity\":".utf8), "identities/broken.json")
    let next = try await ManagerSite(again: site)
    #expect(try next.events.list(.init(.init())).contains { $0.event == "record lost" && $0.name == "broken.json" })
    #expect(await next.view(token.agent) != nil)
  }
}
