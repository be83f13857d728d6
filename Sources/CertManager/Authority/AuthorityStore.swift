// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Crypto
import Foundation
import LinuxKernel
import SwiftASN1
import X509

/// An authority in a directory: its certificates, its keys, and its ledger.
public struct AuthorityStore: Sendable {
  public let ledger: Ledger
  public let application: String
  private let signing: SigningKeys

  /// The intermediate that signs, and its root.
  public var authority: CertificateAuthority { signing.known.current }
  /// The key is in a PKCS #11 token, which may take its time.
  var isOnToken: Bool { signing.isOnToken }

  /// Makes a new authority.
  ///
  /// - Parameters:
  ///   - directory: made with mode 0700; must not have an authority.
  ///   - credential: a file to encrypt the keys with.
  ///   - token: a PKCS #11 URI (RFC 7512): the keys are made there and stay there, by the labels `APPLICATION root` and
  ///     `APPLICATION intermediate`.
  public static func make(
    _ directory: String, application: String, kind: KeyKind, url: String?, credential: String?, token: String? = nil
  ) throws -> AuthorityStore {
    if let problem = AgentIdentity(application: application, subsystem: "a", agent: "a", node: "a").problem {
      throw CertificateProblem.refused(problem)
    }
    if let url, !url.hasPrefix("http://") && !url.hasPrefix("https://") || url.hasSuffix("/") || url.utf8.count > 200 {
      throw CertificateProblem.refused("the URL is one such as http://ca.example:9743, without a slash at its end")
    }
    guard token == nil || kind == .p256 else { throw CertificateProblem.refused("the keys of a token are of P-256") }
    try FileSystem.makeDirectories(directory, mode: 0o700)
    guard !AuthorityDirectory.hasAuthority(directory) else {
      throw CertificateProblem.refused("\(directory) has an authority already")
    }
    let files = try AuthorityDirectory(directory, credential: credential, token: token)
    let settings = AuthorityDirectory.Settings(application: application, url: url, token: token)
    let rootKey = try files.makeRootKey(settings, kind)
    let authority = try CertificateAuthority.make(
      application: application, kind: kind, url: url, rootKey: rootKey,
      key: try files.makeKey(1, settings, kind))
    try files.write(authority.root, "root")
    if token == nil { try files.write(rootKey, "root") }
    try files.write(authority, number: 1)
    try files.sealed.write(
      SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }, to: "\(directory)/ledger.key")
    // What belongs to it has its mode.
    try FileSystem.replace("\(directory)/ledger.db", with: [], mode: 0o600)
    // Last: without it there is no authority.
    try files.write(settings)
    return try AuthorityStore(directory, credential: credential)
  }

  public init(_ directory: String, credential: String?) throws {
    guard AuthorityDirectory.hasAuthority(directory) else {
      throw CertificateProblem.unusable("\(directory) has no authority; nodeagent ca init makes one")
    }
    let settings = try AuthorityDirectory.settings(directory).settings
    let files = try AuthorityDirectory(directory, credential: credential, token: settings.token)
    application = settings.application
    signing = try SigningKeys(files)
    ledger = try Ledger(
      "\(directory)/ledger.db", auditKey: SymmetricKey(data: try files.sealed.read("\(directory)/ledger.key")))
  }

  // MARK: - Intermediates

  /// Takes up an intermediate that another process has made.
  func refresh() throws { try signing.refresh() }

  /// Makes the next intermediate, with a key of its own, which signs from now on. What the one before has signed stays good until its end,
  /// and that one goes on signing lists and answers for it.
  ///
  /// - Parameter rootKey: the file with the root's key; `nil`: it is where it was made.
  /// - Returns: the intermediate.
  @discardableResult
  public func makeNextIntermediate(rootKey: String? = nil, now: Date = Date()) throws -> Certificate {
    try signing.makeNext(rootKey: rootKey, now: now) { next in
      // Before it signs: there is none that the log does not have.
      try ledger.note(
        "intermediate made",
        [
          "serial": Ledger.hexadecimal(next.intermediate.serialNumber), "key": next.identifier,
          "ends": "\(Ledger.seconds(next.intermediate.notValidAfter))",
        ], now)
    }
  }

  /// Takes away the keys of intermediates whose certificates have all ended.
  public func forgetRetired(now: Date = Date()) throws { try signing.forgetRetired(now: now) }

  /// True when there should be a next one: a fifth of the present one's life is left.
  func isIntermediateEnding(now: Date = Date()) -> Bool {
    authority.intermediate.notValidAfter < now + CertificateAuthority.intermediateLife / 5
  }

  /// What leads from a certificate of this authority to its root, without either.
  public func chain(of certificate: Certificate) throws -> [Certificate] {
    guard let issuer = signing.known.issuer(of: certificate) else {
      throw CertificateProblem.refused("the certificate was not issued here")
    }
    return [issuer.intermediate]
  }

  /// - Parameter identifier: as in ``CertificateAuthority/identifier``.
  func authority(_ identifier: some StringProtocol) -> CertificateAuthority? { signing.known[identifier] }

  func ocspAnswer(to request: [UInt8], now: Date = Date()) -> [UInt8] {
    let known = signing.known
    let asked = known.retired.first { $0.isAskedAbout(in: request) } ?? known.current
    return asked.ocspAnswer(to: request, now: now) { try ledger.state(of: $0) }
  }

  // MARK: - Certificates

  /// Signs what a new agent asks for with its token, which is used up by that.
  ///
  /// - Parameters:
  ///   - request: proves by its signature that its sender has the key (RFC 2986). What it says of its subject does not count: that follows
  ///     from the token.
  ///   - life: seconds.
  ///   - isAgain: as ``Ledger/redeem(_:for:isAgain:now:issue:)`` has it.
  public func sign(
    _ request: CertificateSigningRequest, token: BootstrapToken, endpoints: [String] = [],
    life: TimeInterval = CertificateAuthority.usualLife, isAgain: Bool = false, now: Date = Date()
  ) throws -> Certificate {
    guard request.publicKey.isValidSignature(request.signature, for: request) else {
      let problem = CertificateProblem.refused("the request is not signed by the key that it is for")
      try ledger.refuse("request", problem, now)
      throw problem
    }
    return try ledger.redeem(token, for: request.publicKey, isAgain: isAgain, now: now) { grant in
      let identity = AgentIdentity(
        application: application, subsystem: grant.subsystem, agent: UUID().uuidString.lowercased(), node: grant.node,
        endpoints: endpoints)
      let certificate = try authority.issue(
        identity, grant.capabilities, key: request.publicKey, life: life, now: now)
      return (certificate, identity)
    }
  }

  /// Signs the next certificate of an agent that has one, for a new key. Who it is and what it may do stay the same; the one before is
  /// good until its end, since the agent may still be using it.
  ///
  /// - Parameters:
  ///   - endpoints: `nil`: those that it has.
  ///   - isAgain: the answer to the same was lost; what was issued for the key within the hour is given again.
  public func renew(
    _ present: Certificate, _ request: CertificateSigningRequest, endpoints: [String]? = nil,
    life: TimeInterval = CertificateAuthority.usualLife, isAgain: Bool = false, now: Date = Date()
  ) throws -> Certificate {
    do {
      guard signing.known.issuer(of: present) != nil, var identity = AgentIdentity(present),
        let capabilities = try AgentCapabilities(present)
      else { throw CertificateProblem.refused("the certificate was not issued here to an agent") }
      guard (present.notValidBefore...present.notValidAfter).contains(now) else {
        throw CertificateProblem.refused("the certificate has ended; a new token is needed")
      }
      guard try ledger.state(of: present.serialNumber) == .good else {
        throw CertificateProblem.refused("the certificate is revoked, or not known here")
      }
      guard request.publicKey.isValidSignature(request.signature, for: request) else {
        throw CertificateProblem.refused("the request is not signed by the key that it is for")
      }
      if isAgain, let known = try ledger.answer(to: identity.agent, for: request.publicKey, now: now) { return known }
      if let endpoints { identity.endpoints = endpoints }
      let certificate = try authority.issue(identity, capabilities, key: request.publicKey, life: life, now: now)
      try ledger.record(certificate, identity, capabilities, event: "renewed", keepsAnswer: true, now: now)
      return certificate
    } catch let problem as CertificateProblem {
      try ledger.refuse("renewal", problem, now)
      throw problem
    }
  }

  /// What a node's manager asks for, for an agent on its node.
  public struct Child: Sendable {
    public var request: CertificateSigningRequest
    /// Its application and node are the authority's to say, whatever stands there.
    public var identity: AgentIdentity
    public var capabilities: AgentCapabilities
    public var names: [String]
    public var life: TimeInterval
    public var isRenewal: Bool
    /// The answer to the same was lost; what was issued for the key within the hour is given again.
    public var isAgain = false
  }

  /// The role of a node's certificate manager.
  public static let managerRole = "cert-manager"

  /// Signs for a child of an agent that is the certificate manager of its node: that gives what it has itself, and on its own node.
  ///
  /// - Parameter manager: the certificate that the caller has proved to have.
  public func issue(_ child: Child, by manager: Certificate, now: Date = Date()) throws -> Certificate {
    do {
      let (caller, capabilities) = try check(manager, now)
      guard capabilities.maySpawn(child.identity.subsystem, with: child.capabilities) else {
        throw CertificateProblem.refused(
          "the manager of \(caller.node) may not have a \(child.identity.subsystem.prefix(63)) with these capabilities")
      }
      guard child.request.publicKey.isValidSignature(child.request.signature, for: child.request) else {
        throw CertificateProblem.refused("the request is not signed by the key that it is for")
      }
      for name in child.names where !name.hasSuffix(".containers.internal") {
        throw CertificateProblem.refused("a manager may add names below containers.internal, and no others")
      }
      var identity = child.identity
      identity.application = application
      identity.node = caller.node
      guard try ledger.node(of: identity.agent) ?? caller.node == caller.node else {
        throw CertificateProblem.refused("the agent \(identity.agent) is another node's")
      }
      if child.isAgain, let known = try ledger.answer(to: identity.agent, for: child.request.publicKey, now: now) {
        return known
      }
      let certificate = try authority.issue(
        identity, child.capabilities, key: child.request.publicKey, names: child.names, life: child.life, now: now)
      try ledger.record(
        certificate, identity, child.capabilities, event: child.isRenewal ? "renewed" : "issued", keepsAnswer: true,
        now: now)
      return certificate
    } catch let problem as CertificateProblem {
      try ledger.refuse("issue", problem, now)
      throw problem
    }
  }

  /// Revokes what an agent of the manager's own node has, but for one certificate.
  public func revoke(
    agent: String, sparing serial: String?, _ reason: RevocationReason, by manager: Certificate, now: Date = Date()
  ) throws {
    do {
      let (caller, _) = try check(manager, now)
      // One that was never issued has nothing to be revoked.
      guard let node = try ledger.node(of: agent) else { return }
      guard node == caller.node else { throw CertificateProblem.refused("the agent \(agent) is another node's") }
      try ledger.revoke(agent: agent, sparing: serial, reason, now: now)
    } catch let problem as CertificateProblem {
      try ledger.refuse("revocation", problem, now)
      throw problem
    }
  }

  private func check(_ manager: Certificate, _ now: Date) throws -> (AgentIdentity, AgentCapabilities) {
    guard signing.known.issuer(of: manager) != nil,
      let identity = AgentIdentity(manager), let capabilities = try AgentCapabilities(manager),
      (manager.notValidBefore...manager.notValidAfter).contains(now),
      try ledger.state(of: manager.serialNumber) == .good
    else { throw CertificateProblem.refused("the certificate was not issued here, or is not good any more") }
    guard capabilities.roles.contains(Self.managerRole) else {
      throw CertificateProblem.refused("only an agent with the role \(Self.managerRole) asks for others")
    }
    return (identity, capabilities)
  }

  /// For the authority's own server, by the name that its clients know it by.
  func issueServer(_ host: String, _ key: Certificate.PublicKey, now: Date = Date()) throws -> Certificate {
    let labels = IPNetwork.address(host) == nil ? host.split(separator: ".", maxSplits: 1).map(String.init) : ["ca"]
    let identity = AgentIdentity(
      application: application, subsystem: "ca", agent: labels.first ?? "ca",
      node: labels.count > 1 ? labels[1] : "localdomain")
    let certificate = try authority.issue(identity, .init(), key: key, names: [host], now: now)
    try ledger.record(certificate, identity, .init(), event: "issued", now: now)
    return certificate
  }

  /// The list of revoked certificates as DER, with a number of its own.
  public func revocationList(now: Date = Date()) throws -> [UInt8] {
    try authority.revocationList(
      try ledger.revocations(now: now), number: try ledger.nextListNumber(), now: now)
  }

  public static func pem(_ certificate: Certificate) throws -> String {
    "\(try certificate.serializeAsPEM().pemString)\n"
  }
}
