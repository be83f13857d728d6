// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Foundation
import JSONRPC
import LogStore
import Logging
import Synchronization
import X509

@testable import CertManager

/// An authority that can be away, or be asked for short lives.
final class TestIssuer: CertificateIssuer {
  let embedded: EmbeddedIssuer
  let isAway = Mutex(false)
  /// Seconds that a certificate is still good when it is issued; `nil`: as asked for.
  let left = Mutex<TimeInterval?>(nil)
  let refusing = Mutex(false)
  /// How often it was asked to issue.
  let asked = Mutex(0)
  /// So many answers are lost after the authority has issued.
  let losses = Mutex(0)
  private let answers = Mutex<[AgentKey: IssuedCertificate]>([:])

  init(directory: String) throws {
    embedded = try EmbeddedIssuer(
      directory: directory, application: "shop", node: "node1.example.org", credential: nil,
      logger: Logger(label: "test"))
  }

  var name: String { "test" }
  var hasNextBoot: Bool? { nil }
  func authority() -> IssuerFacts { embedded.authority() }
  func run(ready: @escaping @Sendable () async -> Void) async { await ready() }

  private func check() throws {
    if isAway.withLock({ $0 }) { throw CertificateProblem.unusable("the authority is away") }
  }

  func issue(
    _ identity: AgentIdentity, _ capabilities: AgentCapabilities, key: AgentKey, names: [String], life: TimeInterval,
    event: String, isAgain: Bool
  ) async throws -> IssuedCertificate {
    asked.withLock { $0 += 1 }
    try check()
    if refusing.withLock({ $0 }) { throw CertificateProblem.refused("not you") }
    if isAgain, let known = answers.withLock({ $0[key] }) { return try pass(known) }
    guard let left = left.withLock({ $0 }) else {
      let issued = try await embedded.issue(
        identity, capabilities, key: key, names: names, life: life, event: event, isAgain: isAgain)
      answers.withLock { $0[key] = issued }
      return try pass(issued)
    }
    let authority = embedded.store.authority
    let certificate = try authority.issue(
      identity, capabilities, key: key.publicKey, names: names, life: 60, now: Date() - 60 + left)
    try embedded.store.ledger.record(certificate, identity, capabilities, event: event)
    return IssuedCertificate(certificate: certificate, intermediate: authority.intermediate)
  }

  private func pass(_ issued: IssuedCertificate) throws -> IssuedCertificate {
    let isLost = losses.withLock { losses in
      losses -= 1
      return losses >= 0
    }
    if isLost { throw CertificateProblem.unusable("the answer is lost") }
    return issued
  }

  func revoke(agent: String, sparing serial: String?, _ reason: RevocationReason) async throws {
    try check()
    try await embedded.revoke(agent: agent, sparing: serial, reason)
  }

  func state(of serial: Certificate.SerialNumber) async throws -> CertificateAuthority.CertificateState {
    try await embedded.state(of: serial)
  }

  func refused(_ what: String, _ problem: CertificateProblem) { embedded.refused(what, problem) }
}

/// A registry with an authority in a directory of its own; uid 0 is the node controller, uid 900 the container controller.
struct ManagerSite: Sendable {
  let files: OpenSSL
  let issuer: TestIssuer
  let events: EventLog
  let registry: IdentityRegistry

  static let controller: UInt32 = 900
  static let child: UInt32 = 100_000

  init() async throws {
    let files = try OpenSSL()
    try await self.init(files, issuer: try TestIssuer(directory: "\(files.directory)/ca"))
  }

  /// As after a restart of the manager.
  init(again site: ManagerSite) async throws { try await self.init(site.files, issuer: site.issuer) }

  private init(_ files: OpenSSL, issuer: TestIssuer) async throws {
    self.files = files
    self.issuer = issuer
    events = EventLog(source: "cert-manager")
    let records = "\(files.directory)/identities"
    try FileManager.default.createDirectory(atPath: records, withIntermediateDirectories: true)
    let registry = IdentityRegistry(
      issuer: issuer, files: IdentityFiles(directory: records), instance: 3, events: events,
      logger: Logger(label: "test"))
    self.registry = registry
    try await registry.load()
    Task { await registry.followEnds() }
    try await registry.ensure(
      "node-controller", uid: 0, .init(spawn: [AgentCapabilities.any], roles: ["admin", "component"]))
    try await registry.ensure(
      "container-controller", uid: Self.controller, .init(spawn: [AgentCapabilities.any], roles: ["component"]))
  }

  func request(_ name: String = "web", life: Int64? = nil) async throws -> CertMethods.Token {
    try await registry.request(
      .init(
        subsystem: "web", uid: Self.child, name: name, endpoints: [.init(name: "http", proto: .tcp, port: 80)],
        roles: ["component"], life: life), by: Self.controller)
  }

  func view(_ agent: String) async -> IdentityView? { await registry.list([agent]).first }

  /// Those that the authority holds for good.
  func live(_ agent: String) throws -> [String] {
    try issuer.embedded.store.ledger.entries().filter { $0.identity.agent == agent && $0.state(Date()) == "good" }
      .map(\.serial)
  }

  /// Waits, as long as the tests beside this one need.
  func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
    for _ in 0..<3000 {
      if try await condition() { return }
      try await Task.sleep(for: .milliseconds(20))
    }
    throw RPCError(.deadlineExceeded, "never: \(what)")
  }
}
