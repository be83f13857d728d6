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
  }

  public let authority: CertificateAuthority
  public let ledger: Ledger
  public let application: String

  /// Makes a new authority.
  ///
  /// - Parameters:
  ///   - directory: made with mode 0700; must not have an authority.
  ///   - credential: a file to encrypt the keys with.
  public static func make(
    _ directory: String, application: String, kind: KeyKind, url: String?, credential: String?
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
    let (authority, rootKey) = try CertificateAuthority.make(application: application, kind: kind, url: url)
    for (name, certificate) in [("root.pem", authority.root), ("intermediate.pem", authority.intermediate)] {
      try FileSystem.replace(
        "\(directory)/\(name)", with: Array(try pem(certificate).utf8), mode: 0o644, durable: true)
    }
    for (name, key) in [("root.key", rootKey), ("intermediate.key", authority.key)] {
      try sealed.write(Array("\(try key.serializeAsPEM().pemString)\n".utf8), to: "\(directory)/\(name)")
    }
    try sealed.write(SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }, to: "\(directory)/ledger.key")
    // What belongs to it has its mode.
    try FileSystem.replace("\(directory)/ledger.db", with: [], mode: 0o600)
    // Last: without it there is no authority.
    let settings = try JSONEncoder().encode(Settings(application: application, url: url))
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
    let sealed = try SealedFile(credential: credential)
    func certificate(_ name: String) throws -> Certificate {
      try Certificate(pemEncoded: String(decoding: try FileSystem.read("\(directory)/\(name)"), as: UTF8.self))
    }
    let key = try Certificate.PrivateKey(
      pemEncoded: String(decoding: try sealed.read("\(directory)/intermediate.key"), as: UTF8.self))
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
