// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import Foundation
import LinuxKernel
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// A manager's own key and certificate, by which the authority knows it.
///
/// They outlive the manager in a keyring of its user (keyrings(7)), until the machine is booted anew or the certificate ends; nowhere else.
struct OwnCredential: Sendable {
  let key: AgentKey
  let certificate: Certificate
  let intermediate: Certificate

  private static func description(_ instance: Int) -> String { "nodeagent:manager:\(instance)" }

  /// Has the process reach the keys of its user, whoever has started it.
  private static func enter() throws {
    try Keyring.joinSession()
    try Keyring.link(Keyring.user, to: Keyring.session)
  }

  /// What an earlier manager has left; `nil` where there is nothing, or nothing that is good.
  static func restore(_ instance: Int, now: Date = Date()) throws -> OwnCredential? {
    try enter()
    guard let found = try Keyring.find(description(instance), in: Keyring.session) else { return nil }
    let payload = try Keyring.read(found, most: 16 << 10)
    guard payload.count > 32 else { return nil }
    let key = try AgentKey(.p256, secret: payload, count: 32)
    let certificates = try payload.withBytes { bytes in
      try PEMDocument.parseMultiple(pemString: String(decoding: bytes.dropFirst(32), as: UTF8.self))
        .map { try Certificate(pemDocument: $0) }
    }
    guard certificates.count == 2, certificates[0].publicKey == key.publicKey, certificates[0].notValidAfter > now
    else { return nil }
    return OwnCredential(key: key, certificate: certificates[0], intermediate: certificates[1])
  }

  /// True where a root is the one that this leads to.
  func isOf(_ root: Certificate) -> Bool {
    intermediate.publicKey.isValidSignature(certificate.signature, for: certificate)
      && root.publicKey.isValidSignature(intermediate.signature, for: intermediate)
  }

  /// Keeps it for the next manager.
  func keep(_ instance: Int, now: Date = Date()) throws {
    // Keyrings belong to threads.
    try Self.enter()
    let text = Array(try [certificate, intermediate].map(AuthorityStore.pem).joined().utf8)
    let payload = try key.withSecret { secret in
      try LockedBytes(count: 32 + text.count) { bytes in
        bytes.copyMemory(from: secret)
        UnsafeMutableRawBufferPointer(rebasing: bytes[32...]).copyBytes(from: text)
      }
    }
    let added = try Keyring.add(Self.description(instance), payload, to: Keyring.user)
    try Keyring.set(.possessorUpdates, of: added)
    try Keyring.setTimeout(UInt32(max(1, certificate.notValidAfter.timeIntervalSince(now))), of: added)
  }

  /// A client's TLS context: it shows this certificate, and trusts one root.
  static func context(root: Certificate, _ own: OwnCredential?) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.trustRoots = .certificates([try nio(root)])
    if let own {
      configuration.certificateChain = [
        .certificate(try nio(own.certificate)), .certificate(try nio(own.intermediate)),
      ]
      configuration.privateKey = .privateKey(NIOSSLPrivateKey(customPrivateKey: own.key))
    }
    return try NIOSSLContext(configuration: configuration)
  }

  /// A server's, for a handshake that proves the key and nothing else: a client need not show anything.
  func serverContext(protocolName: String) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(try Self.nio(certificate)), .certificate(try Self.nio(intermediate))],
      privateKey: .privateKey(NIOSSLPrivateKey(customPrivateKey: key)))
    configuration.minimumTLSVersion = .tlsv13
    configuration.applicationProtocols = [protocolName]
    return try NIOSSLContext(configuration: configuration)
  }

  private static func nio(_ certificate: Certificate) throws -> NIOSSLCertificate {
    var coder = DER.Serializer()
    try coder.serialize(certificate)
    return try NIOSSLCertificate(bytes: coder.serializedBytes, format: .der)
  }
}

/// In a handshake it signs, and never leaves.
extension AgentKey: NIOSSLCustomPrivateKey, Hashable {
  var signatureAlgorithms: [SignatureAlgorithm] { kind == .p256 ? [.ecdsaSecp256R1Sha256] : [.ed25519] }

  func sign(channel: any Channel, algorithm: SignatureAlgorithm, data: ByteBuffer) -> EventLoopFuture<ByteBuffer> {
    channel.eventLoop.makeCompletedFuture { ByteBuffer(bytes: try sign(Array(data.readableBytesView))) }
  }

  func decrypt(channel: any Channel, data: ByteBuffer) -> EventLoopFuture<ByteBuffer> {
    channel.eventLoop.makeFailedFuture(CertificateProblem.unusable("this key only signs"))
  }

  static func == (left: AgentKey, right: AgentKey) -> Bool { left === right }
  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
