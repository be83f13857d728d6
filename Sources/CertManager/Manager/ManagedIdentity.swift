// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Foundation
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import SwiftASN1
import X509

/// One agent's identity: its operations run one after another.
actor ManagedIdentity {
  nonisolated let agent: String
  nonisolated let uid: UInt32
  private let services: IdentityServices
  private let mailbox = Mailbox()
  private(set) var record: IdentityRecord
  /// The newest last. None where the agent has its key itself, and where this process is not the one that made it.
  private var held: [HeldKey] = []
  /// The key of a request whose answer did not arrive; the authority may have signed for it.
  private var asked: AgentKey?
  private var problem: String?
  private var failures = 0
  private var warned = false
  private var expired = false
  /// A certificate was asked for, here or by an earlier manager.
  private var attempted = false
  private var timer: Task<Void, Never>?
  private let jitter = Double.random(in: 0...1)

  /// A signature with the certificate before is still asked for while its holder fetches the newest one.
  private static let mostHeld = 2
  private static let tokenLife: TimeInterval = 300

  init(_ record: IdentityRecord, services: IdentityServices) {
    agent = record.agent
    uid = record.uid
    self.record = record
    self.services = services
  }

  // MARK: - Looking

  var view: IdentityView {
    let newest = record.certificates.last
    let state: IdentityView.State =
      if record.ended != nil {
        .ended
      } else if let newest {
        newest.ends <= Date() ? .expired : record.delivery == nil ? .issued : .active
      } else {
        .pending
      }
    var view = IdentityView(
      agent: agent, subsystem: record.identity.subsystem, name: record.name, parent: record.parent, uid: record.uid,
      state: state, delivery: record.delivery, serial: newest?.serial, ends: newest.map { Self.text($0.ends) },
      roles: record.capabilities.roles, spawn: record.capabilities.spawn, problem: problem)
    if record.delivery == .keyring, !held.isEmpty { view.fresh = true }
    return view
  }

  static func text(_ date: Date) -> String {
    Timestamp.text(microseconds: Int64(date.timeIntervalSince1970) * 1_000_000)
  }

  // MARK: - Making

  /// Begins the life of a new one; does not wait.
  nonisolated func begin() { mailbox.post { await self.make(event: "issued") } }

  /// Goes on with one that an earlier manager left: what that had in its memory is made anew.
  nonisolated func resume() {
    mailbox.post {
      await self.dropLostKeys()
      if await self.hasNeedOfKey { await self.make(event: "issued") }
      await self.tick()
    }
  }

  /// What was renewed and not handed over, or was being renewed, has lost its key with the manager before: its certificate is nobody's.
  private func dropLostKeys() async {
    attempted = true
    guard record.ended == nil, record.delivery == .keyring, let delivered = record.delivered,
      let place = record.certificates.firstIndex(where: { $0.serial == delivered }),
      place < record.certificates.count - 1 || record.isAsking ?? false
    else { return }
    do {
      try await services.issuer.revoke(agent: agent, sparing: delivered, .superseded)
      record.certificates = [record.certificates[place]]
      await make(event: "renewed")
    } catch {
      // The next manager tries again, and it ends with its agent.
      services.logger.warning("not revoked", metadata: ["agent": "\(agent)", "error": "\(error)"])
    }
  }

  private var hasNeedOfKey: Bool { record.ended == nil && record.delivery != .keyring }

  /// Makes the next key, and has it signed.
  private func make(event: String) async {
    guard record.ended == nil else { return }
    do {
      let services = services
      let record = record
      let isFirst = !attempted
      attempted = true
      if event == "renewed", self.record.isAsking == nil {
        self.record.isAsking = true
        do {
          try save()
        } catch {
          // Nobody is asked for what the next manager would not know of.
          self.record.isAsking = nil
          throw error
        }
      }
      let isAgain = asked != nil
      let key = try asked ?? AgentKey(record.kind)
      asked = key
      let issued = try await services.issuer.issue(
        record.identity, record.capabilities, key: key, names: record.names, life: record.life, event: event,
        isAgain: isAgain)
      asked = nil
      let serial = Ledger.hexadecimal(issued.certificate.serialNumber)
      held = (held + [HeldKey(key: key, issued: issued, serial: serial)]).suffix(Self.mostHeld)
      let now = Date()
      self.record.certificates.removeAll { $0.ends <= now }
      self.record.certificates.append(.init(serial: serial, issued: now, ends: issued.certificate.notValidAfter))
      self.record.isAsking = nil
      problem = nil
      failures = 0
      (warned, expired) = (false, false)
      try save()
      if event == "issued", !isFirst {
        // Those that an earlier manager had signed, and whose keys have gone with it; or an answer that did not arrive.
        try await services.issuer.revoke(agent: agent, sparing: serial, .superseded)
        self.record.certificates = self.record.certificates.suffix(1)
        try save()
      }
      tell(event, ["serial": serial])
    } catch {
      // Whoever was refused is not answered otherwise for the same key.
      if case CertificateProblem.refused = error { (asked, record.isAsking) = (nil, nil) }
      problem = "\(error)"
      failures += 1
      services.logger.warning("not signed", metadata: ["agent": "\(agent)", "error": "\(error)"])
      if failures == 1 { tell("not signed", severity: .warning, cause: problem) }
    }
    changed()
    schedule()
  }

  /// - Throws: what kept it from being made.
  func renew() async throws -> IdentityView {
    try await mailbox.perform {
      try await self.checkAlive()
      await self.make(event: "renewed")
      if let problem = await self.problem {
        throw RPCError(.unavailable, "there is no next certificate yet: \(problem)")
      }
      return await self.view
    }
  }

  private func checkAlive() throws {
    if record.ended != nil { throw RPCError(.notFound, "the identity \(agent) has ended") }
  }

  // MARK: - Handing over

  /// Makes a token, which takes the place of the one before.
  func makeToken(_ token: IdentityToken) async throws -> CertMethods.Token {
    try await mailbox.perform { try await self.setToken(token) }
  }

  private func setToken(_ token: IdentityToken) throws -> CertMethods.Token {
    try checkAlive()
    let given = Self.recorded(token)
    record.token = given
    try save()
    schedule()
    return CertMethods.Token(agent: agent, token: token.text, expires: Self.text(given.expires))
  }

  /// What is kept of a token that is given now.
  static func recorded(_ token: IdentityToken) -> IdentityRecord.Token {
    .init(hash: IdentityRecord.hash(of: token.text), expires: Date() + tokenLife)
  }

  /// Uses the token up, and gives the key away: it is not here any more then.
  func redeemForKeyring(_ token: IdentityToken, uid: UInt32) async throws -> Payload {
    try await mailbox.perform { try await self.deliverToKeyring(token, uid) }
  }

  private func deliverToKeyring(_ token: IdentityToken, _ uid: UInt32) async throws -> Payload {
    try check(token, uid)
    // One that was not signed at once is tried again for whoever is waiting.
    if held.isEmpty { await make(event: record.certificates.isEmpty ? "issued" : "renewed") }
    guard let newest = held.last else {
      throw RPCError(.unavailable, "there is no certificate yet: \(problem ?? "it is being signed")")
    }
    let left = newest.certificate.notValidAfter.timeIntervalSinceNow
    guard left >= 1 else { throw RPCError(.unavailable, "its certificate has ended, and there is no next one yet") }
    let root = try services.issuer.authority().root
    let chain = try [newest.certificate, newest.issued.intermediate, root].map(AuthorityStore.pem)
    let packet = try newest.key.payload(
      header: RedeemRequest.header(errno: 0, seconds: UInt32(left)), behind: Array(chain.joined().utf8))
    try deliver(.keyring, newest.serial)
    held = []
    tell("taken up", ["serial": newest.serial, "delivery": "keyring"])
    changed()
    return Payload(packet: packet, serial: newest.serial)
  }

  /// Uses the token up; the key stays here.
  func redeemForSigner(_ token: IdentityToken, uid: UInt32) async throws -> CertMethods.Chain {
    try await mailbox.perform {
      try await self.check(token, uid)
      let chain = try await self.chain()
      try await self.deliver(.signer, chain.serial)
      await self.tell("taken up", ["serial": chain.serial, "delivery": "signer"])
      await self.changed()
      return chain
    }
  }

  /// - Throws: `permission denied` with the reason, for a program and for the audit log.
  private func check(_ token: IdentityToken, _ uid: UInt32) throws {
    guard let known = record.token, known.hash == IdentityRecord.hash(of: token.text), record.ended == nil else {
      throw RPCError(.permissionDenied, "the token is not known here, or another has taken its place")
    }
    guard uid == record.uid else {
      throw RPCError(.permissionDenied, "the token is not for uid \(uid)")
    }
    guard !known.used else { throw RPCError(.permissionDenied, "the token was used already") }
    guard known.expires > Date() else { throw RPCError(.permissionDenied, "the token is too old") }
  }

  /// On disk before anybody has it: a token that was used once is not good again after this process has died.
  private func deliver(_ delivery: IdentityView.Delivery, _ serial: String) throws {
    let before = record
    record.token?.used = true
    record.delivery = delivery
    record.delivered = serial
    do {
      try save()
    } catch {
      record = before
      throw error
    }
    schedule()
  }

  // MARK: - Signing

  func currentChain() async throws -> CertMethods.Chain { try await mailbox.perform { try await self.chain() } }

  private func chain() async throws -> CertMethods.Chain {
    try checkAlive()
    if held.isEmpty, record.delivery != .keyring { await make(event: "issued") }
    guard let newest = held.last else {
      throw RPCError(
        .unavailable,
        record.delivery == .keyring
          ? "the key of \(agent) is its agent's own" : "there is no certificate yet: \(problem ?? "it is being signed")"
      )
    }
    return CertMethods.Chain(
      agent: agent, serial: newest.serial,
      chain: try [newest.certificate, newest.issued.intermediate].map(AuthorityStore.pem),
      root: try AuthorityStore.pem(try services.issuer.authority().root),
      ends: Self.text(newest.certificate.notValidAfter))
  }

  /// Not in the mailbox: it changes nothing, and a handshake waits for it.
  func sign(_ data: [UInt8], serial: String) throws -> CertMethods.Signature {
    try checkAlive()
    guard record.delivery == .signer else {
      throw RPCError(.wrongState, "the manager does not sign for \(agent): it was taken up with its key, or not yet")
    }
    guard let held = held.last(where: { $0.serial == serial }) else {
      throw RPCError(
        .notFound, "the key of the certificate \(serial.prefix(64)) is not here; cert.chain has the newest")
    }
    let signature = try held.key.sign(data)
    return CertMethods.Signature(
      algorithm: held.key.kind == .p256 ? "ecdsa-with-SHA256" : "ed25519",
      signature: Data(signature).base64EncodedString())
  }

  // MARK: - Ending

  /// Ends it; the authority is told now or, where it is away, later.
  func end(_ reason: RevocationReason) async throws {
    try await mailbox.perform { await self.doEnd(reason) }
  }

  private func doEnd(_ reason: RevocationReason) async {
    guard record.ended == nil else { return }
    record.ended = reason
    record.token = nil
    held = []
    asked = nil
    failures = 0
    do {
      try save()
    } catch {
      // It is revoked all the same; only a manager that dies before that would not know.
      services.logger.error("an end was not written down", metadata: ["agent": "\(agent)", "error": "\(error)"])
    }
    tell("ended", ["reason": reason.name])
    changed()
    await revoke()
  }

  private func revoke() async {
    guard let reason = record.ended else { return }
    do {
      let (services, agent) = (services, agent)
      try await services.issuer.revoke(agent: agent, sparing: nil, reason)
      try services.files.remove(agent)
      timer?.cancel()
      services.gone(agent)
    } catch {
      failures += 1
      problem = "\(error)"
      services.logger.warning("not revoked", metadata: ["agent": "\(agent)", "error": "\(error)"])
      if failures == 1 { tell("not revoked", severity: .warning, cause: problem) }
      schedule()
    }
  }

  // MARK: - Time

  private var plan: RenewalPlan {
    let newest = record.certificates.last
    let now = Date()
    return RenewalPlan(
      issued: newest?.issued ?? now, ends: newest?.ends ?? now + record.life, jitter: jitter, failures: failures)
  }

  /// True where there should be another certificate; somebody may have asked for one in vain before its time.
  private var isWanting: Bool { record.certificates.isEmpty || asked != nil || plan.due <= Date() }

  /// Sleeps until something is due.
  private func schedule() {
    timer?.cancel()
    let now = Date()
    var due: [Date] = []
    if failures > 0, record.ended != nil || isWanting {
      due.append(now + plan.pause)
    } else if record.ended == nil, !record.certificates.isEmpty {
      due.append(plan.due)
    }
    if record.ended == nil, let newest = record.certificates.last {
      if !warned { due.append(plan.warning) }
      if !expired { due.append(newest.ends) }
    }
    if record.ended == nil, record.delivery == nil, let token = record.token { due.append(token.expires) }
    guard let next = due.min() else { return }
    timer = Task { [weak self] in
      try? await Task.sleep(for: .seconds(max(0.01, next.timeIntervalSince(now))))
      guard !Task.isCancelled, let self else { return }
      self.mailbox.post { await self.tick() }
    }
  }

  private func tick() async {
    if record.ended != nil { return await revoke() }
    let now = Date()
    if record.delivery == nil, let token = record.token, token.expires <= now {
      // Its agent never came.
      tell("not taken up", severity: .warning, cause: "its token has ended")
      return await doEnd(.cessationOfOperation)
    }
    if isWanting {
      await make(event: record.certificates.isEmpty ? "issued" : "renewed")
    }
    if let newest = record.certificates.last {
      if newest.ends <= now, !expired {
        (expired, warned) = (true, true)
        tell("expired", severity: .error, cause: problem)
        changed()
      } else if plan.warning <= now, !warned {
        warned = true
        tell(
          "ending", severity: .warning,
          cause: "it ends at \(Self.text(newest.ends)): \(problem ?? "it was not renewed")")
      }
    }
    schedule()
  }

  // MARK: - Telling

  private func save() throws { try services.files.write(record) }

  private func changed() { services.changed(view) }

  private func tell(
    _ event: String, _ data: [String: String] = [:], severity: AgentEvent.Severity = .info, cause: String? = nil
  ) {
    services.events.add(
      kind: "certificate", name: record.name ?? record.identity.subsystem, event: event, severity: severity,
      cause: cause, correlation: nil, data: data.merging(["agent": agent]) { first, _ in first })
  }
}
