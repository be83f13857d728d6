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
///
/// `root.pem`, `intermediate.pem`, `intermediate.key`, `root.key`, `ledger.key`, `ledger.db`, `authority.json`. The root's key is of use for a
/// next intermediate only, and better kept elsewhere.
public struct AuthorityStore: Sendable {
  private struct Settings: Codable {
    var application: String
    var url: String?
    /// The token that has the keys (RFC 7512); `nil`: they are in files.
    var token: String?
  }

  public let authority: CertificateAuthority
  public let ledger: Ledger
  public let application: String
  /// The key is in a PKCS #11 token, which may take its time.
  let isOnToken: Bool

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
    try FileSystem.makeDirectories(directory, mode: 0o700)
    guard !FileSystem.exists("\(directory)/authority.json") else {
      throw CertificateProblem.refused("\(directory) has an authority already")
    }
    let sealed = try SealedFile(credential: credential)
    let authority: CertificateAuthority
    var files: [(String, Certificate.PrivateKey)] = []
    if let token {
      guard kind == .p256 else { throw CertificateProblem.refused("the keys of a token are of P-256") }
      let keys = try KeyToken(token)
      authority = try CertificateAuthority.make(
        application: application, kind: kind, url: url,
        rootKey: Certificate.PrivateKey(try keys.generate("\(application) root")),
        key: Certificate.PrivateKey(try keys.generate(Self.label(application))))
    } else {
      let (made, rootKey) = try CertificateAuthority.make(application: application, kind: kind, url: url)
      authority = made
      files = [("root.key", rootKey), ("intermediate.key", made.key)]
    }
    for (name, certificate) in [("root.pem", authority.root), ("intermediate.pem", authority.intermediate)] {
      try FileSystem.replace(
        "\(directory)/\(name)", with: Array(try pem(certificate).utf8), mode: 0o644, durable: true)
    }
    for (name, key) in files {
      try sealed.write(Array("\(try key.serializeAsPEM().pemString)\n".utf8), to: "\(directory)/\(name)")
    }
    try sealed.write(SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }, to: "\(directory)/ledger.key")
    // What belongs to it has its mode.
    try FileSystem.replace("\(directory)/ledger.db", with: [], mode: 0o600)
    // Last: without it there is no authority.
    let settings = try JSONEncoder().encode(Settings(application: application, url: url, token: token))
    try FileSystem.replace("\(directory)/authority.json", with: Array(settings), mode: 0o600, durable: true)
    return try AuthorityStore(directory, credential: credential)
  }

  public init(_ directory: String, credential: String?) throws {
    guard FileSystem.exists("\(directory)/authority.json") else {
      throw CertificateProblem.unusable("\(directory) has no authority; nodeagent ca init makes one")
    }
    let settings = try JSONDecoder().decode(
      Settings.self, from: Data(try FileSystem.read("\(directory)/authority.json")))
    application = settings.application
    isOnToken = settings.token != nil
    let sealed = try SealedFile(credential: credential)
    func certificate(_ name: String) throws -> Certificate {
      try Certificate(pemEncoded: String(decoding: try FileSystem.read("\(directory)/\(name)"), as: UTF8.self))
    }
    let key =
      if let token = settings.token {
        Certificate.PrivateKey(try KeyToken(token).key(Self.label(settings.application)))
      } else {
        try Certificate.PrivateKey(
          pemEncoded: String(decoding: try sealed.read("\(directory)/intermediate.key"), as: UTF8.self))
      }
    authority = try CertificateAuthority(
      root: try certificate("root.pem"), intermediate: try certificate("intermediate.pem"), key: key, url: settings.url)
    ledger = try Ledger(
      "\(directory)/ledger.db", auditKey: SymmetricKey(data: try sealed.read("\(directory)/ledger.key")))
  }

  /// Signs what a new agent asks for with its token, which is used up by that.
  ///
  /// - Parameters:
  ///   - request: proves by its signature that its sender has the key (RFC 2986). What it says of its subject does not count: that follows
  ///     from the token.
  ///   - life: seconds.
  public func sign(
    _ request: CertificateSigningRequest, token: BootstrapToken, endpoints: [String] = [],
    life: TimeInterval = CertificateAuthority.usualLife, now: Date = Date()
  ) throws -> Certificate {
    guard request.publicKey.isValidSignature(request.signature, for: request) else {
      let problem = CertificateProblem.refused("the request is not signed by the key that it is for")
      try ledger.refuse("request", problem, now)
      throw problem
    }
    return try ledger.redeem(token, now: now) { grant in
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
  /// - Parameter endpoints: `nil`: those that it has.
  public func renew(
    _ present: Certificate, _ request: CertificateSigningRequest, endpoints: [String]? = nil,
    life: TimeInterval = CertificateAuthority.usualLife, now: Date = Date()
  ) throws -> Certificate {
    do {
      guard authority.intermediate.publicKey.isValidSignature(present.signature, for: present),
        present.issuer == authority.intermediate.subject, var identity = AgentIdentity(present),
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
      if let endpoints { identity.endpoints = endpoints }
      let certificate = try authority.issue(identity, capabilities, key: request.publicKey, life: life, now: now)
      try ledger.record(certificate, identity, capabilities, event: "renewed", now: now)
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
      let certificate = try authority.issue(
        identity, child.capabilities, key: child.request.publicKey, names: child.names, life: child.life, now: now)
      try ledger.record(
        certificate, identity, child.capabilities, event: child.isRenewal ? "renewed" : "issued", now: now)
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
    guard authority.intermediate.publicKey.isValidSignature(manager.signature, for: manager),
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

  private static func label(_ application: String) -> String { "\(application) intermediate" }

  public static func pem(_ certificate: Certificate) throws -> String {
    "\(try certificate.serializeAsPEM().pemString)\n"
  }
}
