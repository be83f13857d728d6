// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Crypto
import Foundation
import LinuxKernel
import SwiftASN1
import X509

/// A root that signs an intermediate, and the intermediate, which signs everything else: certificates of agents by one profile, the list of
/// those that are revoked, and answers about single ones.
public struct CertificateAuthority: Sendable {
  public let root: Certificate
  public let intermediate: Certificate
  let key: Certificate.PrivateKey
  let kind: KeyKind
  /// Where the list and the answers are served, `https://ca.example:9743`; `nil` leaves them out of certificates.
  public let url: String?

  static let rootLife: TimeInterval = 20 * 365 * 86400
  static let intermediateLife: TimeInterval = 5 * 365 * 86400
  /// Clocks of a cluster differ by less.
  static let skew: TimeInterval = 60

  /// An agent's certificate is good for so long, unless its request says less.
  public static let usualLife: TimeInterval = 12 * 3600
  public static let lives: ClosedRange<TimeInterval> = 60...(7 * 86400)

  public init(root: Certificate, intermediate: Certificate, key: Certificate.PrivateKey, url: String?)
    throws(CertificateProblem)
  {
    guard let kind = KeyKind(key.publicKey), key.publicKey == intermediate.publicKey else {
      throw .unusable("the key is not the intermediate's")
    }
    guard root.publicKey.isValidSignature(intermediate.signature, for: intermediate) else {
      throw .unusable("the intermediate is not signed by the root")
    }
    self.root = root
    self.intermediate = intermediate
    self.key = key
    self.kind = kind
    self.url = url
  }

  /// A new root and intermediate. The root's key is needed for a next intermediate only, and is the caller's to put away.
  public static func make(
    application: String, kind: KeyKind = .p256, url: String? = nil, now: Date = Date()
  ) throws -> (authority: CertificateAuthority, rootKey: Certificate.PrivateKey) {
    let rootKey = try kind.generate()
    let authority = try make(
      application: application, kind: kind, url: url, rootKey: rootKey, key: try kind.generate(), now: now)
    return (authority, rootKey)
  }

  /// The same with keys that are there.
  static func make(
    application: String, kind: KeyKind, url: String?, rootKey: Certificate.PrivateKey, key: Certificate.PrivateKey,
    now: Date = Date()
  ) throws -> CertificateAuthority {
    let rootName = try name(application, "root")
    let root = try certificate(
      of: rootKey.publicKey, named: rootName, from: now, life: rootLife, pathLength: 1, issuer: rootName,
      issuerKey: rootKey, kind: kind)
    return try next(
      of: root, rootKey: rootKey, application: application, number: 1, url: url, key: key, now: now)
  }

  /// An intermediate of a root that is there.
  ///
  /// - Parameter number: 1, 2, …; a part of its name, since lists of revoked certificates are told apart by that.
  /// - Throws: ``CertificateProblem`` where the root's key is another's, or the root ends soon.
  static func next(
    of root: Certificate, rootKey: Certificate.PrivateKey, application: String, number: Int, url: String?,
    key: Certificate.PrivateKey, now: Date = Date()
  ) throws -> CertificateAuthority {
    guard rootKey.publicKey == root.publicKey, let kind = KeyKind(root.publicKey) else {
      throw CertificateProblem.refused("the key is not the root's")
    }
    guard root.notValidAfter > now + lives.upperBound else {
      throw CertificateProblem.refused("the root itself ends at \(root.notValidAfter); a new authority is needed")
    }
    let intermediate = try certificate(
      of: key.publicKey, named: try name(application, "intermediate\(number == 1 ? "" : " \(number)")"), from: now,
      life: min(intermediateLife, root.notValidAfter.timeIntervalSince(now)), pathLength: 0, issuer: root.subject,
      issuerKey: rootKey, kind: kind)
    return try CertificateAuthority(root: root, intermediate: intermediate, key: key, url: url)
  }

  /// What tells the intermediates of an authority apart in URLs: the identifier of its key in hexadecimal.
  public var identifier: String { keyIdentifier.hexadecimal }

  /// True for a certificate that this intermediate has signed, however long ago.
  func hasIssued(_ certificate: Certificate) -> Bool {
    certificate.issuer == intermediate.subject
      && intermediate.publicKey.isValidSignature(certificate.signature, for: certificate)
  }

  /// `sha256:` and the hash of the root's DER in hexadecimal.
  public var fingerprint: String { get throws { try Self.fingerprint(of: root) } }

  static func fingerprint(of certificate: Certificate) throws -> String {
    var coder = DER.Serializer()
    try coder.serialize(certificate)
    let hash = SHA256.hash(data: coder.serializedBytes)
    return "sha256:" + hash.hexadecimal
  }

  private static func name(_ application: String, _ what: String) throws -> DistinguishedName {
    try DistinguishedName {
      DomainComponent(application)
      OrganizationName("nodeagent")
      CommonName("\(application) \(what)")
    }
  }

  private static func certificate(
    of publicKey: Certificate.PublicKey, named subject: DistinguishedName, from now: Date, life: TimeInterval,
    pathLength: Int, issuer: DistinguishedName, issuerKey: Certificate.PrivateKey, kind: KeyKind
  ) throws -> Certificate {
    try Certificate(
      version: .v3, serialNumber: serialNumber(), publicKey: publicKey, notValidBefore: now - skew,
      notValidAfter: now + life, issuer: issuer, subject: subject, signatureAlgorithm: kind.algorithm,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: pathLength))
        Critical(KeyUsage(digitalSignature: true, keyCertSign: true, cRLSign: true))
        SubjectKeyIdentifier(hash: publicKey)
        AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: issuerKey.publicKey).keyIdentifier)
      }, issuerPrivateKey: issuerKey)
  }

  /// 127 random bits, never 0 (RFC 5280 §4.1.2.2).
  private static func serialNumber() -> Certificate.SerialNumber {
    var bytes = (0..<16).map { _ in UInt8.random(in: 0 ... .max) }
    bytes[0] = bytes[0] & 0x7f | 0x40
    return Certificate.SerialNumber(bytes: bytes)
  }

  /// Signs a certificate of the profile for a key that its holder has proved to have.
  ///
  /// - Parameters:
  ///   - more: DNS names or IP addresses beside its own.
  ///   - life: seconds.
  public func issue(
    _ identity: AgentIdentity, _ capabilities: AgentCapabilities, key publicKey: Certificate.PublicKey,
    names more: [String] = [], life: TimeInterval = usualLife, now: Date = Date()
  ) throws -> Certificate {
    if let problem = identity.problem { throw CertificateProblem.refused(problem) }
    guard let kind = KeyKind(publicKey) else {
      throw CertificateProblem.refused("the key has to be P-256, Ed25519, or RSA with 2048 bits")
    }
    guard Self.lives.contains(life) else {
      throw CertificateProblem.refused("a certificate's life is 1 minute to 7 days")
    }
    let others = more.filter { $0 != identity.dnsName }.map { name in
      IPNetwork.address(name).map { GeneralName.ipAddress(ASN1OctetString(contentBytes: $0[...])) } ?? .dnsName(name)
    }
    let names =
      [.dnsName(identity.dnsName)] + others + identity.endpoints.map(GeneralName.uniformResourceIdentifier)
    let own = try capabilities.certificateExtension
    // Its issuer's end is the end of what it says.
    let end = min(now + life, intermediate.notValidAfter)
    return try Certificate(
      version: .v3, serialNumber: Self.serialNumber(), publicKey: publicKey, notValidBefore: now - Self.skew,
      notValidAfter: end, issuer: intermediate.subject, subject: try identity.distinguishedName,
      signatureAlgorithm: self.kind.algorithm,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true, keyEncipherment: kind == .rsa2048))
        try ExtendedKeyUsage([.serverAuth, .clientAuth])
        SubjectAlternativeNames(names)
        SubjectKeyIdentifier(hash: publicKey)
        AuthorityKeyIdentifier(keyIdentifier: keyIdentifier)
        own
        if let url {
          AuthorityInformationAccess([
            .init(method: .ocspServer, location: .uniformResourceIdentifier("\(url)/ocsp")),
            .init(method: .issuingCA, location: .uniformResourceIdentifier("\(url)/intermediate/\(identifier).der")),
          ])
          try Self.distributionPoint("\(url)/crl/\(identifier)")
        }
      }, issuerPrivateKey: key)
  }

  var keyIdentifier: ArraySlice<UInt8> { SubjectKeyIdentifier(hash: intermediate.publicKey).keyIdentifier }

  /// `CRLDistributionPoints` with one URI (RFC 5280 §4.2.1.13).
  private static func distributionPoint(_ uri: String) throws -> Certificate.Extension {
    var coder = DER.Serializer()
    try coder.appendConstructedNode(identifier: .sequence) { coder in
      try coder.appendConstructedNode(identifier: .sequence) { coder in
        // distributionPoint [0] (a choice, so explicit), fullName [0], and in it a URI.
        try coder.appendConstructedNode(identifier: .init(tagWithNumber: 0, tagClass: .contextSpecific)) { coder in
          try coder.appendConstructedNode(identifier: .init(tagWithNumber: 0, tagClass: .contextSpecific)) { coder in
            try coder.serialize(GeneralName.uniformResourceIdentifier(uri))
          }
        }
      }
    }
    return Certificate.Extension(
      oid: ObjectIdentifiers.crlDistributionPoints, critical: false, value: coder.serializedBytes[...])
  }

  /// Signs a structure that is not a certificate: with the algorithm and the signature as a sequence (RFC 5280 §5.1.1).
  func signed(_ bytes: [UInt8], into coder: inout DER.Serializer) throws {
    let signature = try key.sign(bytes: bytes, signatureAlgorithm: kind.algorithm).rawRepresentation
    coder.serializeRawBytes(bytes)
    try kind.serializeAlgorithm(into: &coder)
    try coder.serialize(ASN1BitString(bytes: signature[...]))
  }
}
