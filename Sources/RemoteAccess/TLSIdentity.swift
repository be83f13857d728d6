// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Glibc
import JSONRPC
import LinuxKernel
import NIOSSL
import SwiftASN1
import X509

/// Who this end of a connection is: a chain, what signs for it, and the root that the other end's chain has to lead to.
public struct TLSIdentity: Sendable {
  let chain: [NIOSSLCertificate]
  let key: NIOSSLPrivateKey
  let root: NIOSSLCertificate
  let application: String
  /// RFC 3339.
  let ends: String

  // MARK: - From the manager

  /// The newest certificate of an identity that the manager keeps for the caller's user; the manager signs with its key.
  ///
  /// - Parameter subsystem: the identity's kind.
  /// - Throws: `not found` where there is no such identity.
  public static func managed(_ instance: Instance, subsystem: String) throws -> TLSIdentity {
    let client = try RPCClient(path: instance.certificateSocket, seconds: 15)
    let own = try client.call(CertMethods.list, .init(names: [subsystem])).first {
      $0.parent == nil && $0.uid == getuid() && $0.subsystem == subsystem
    }
    guard let own else {
      throw RPCError(
        .notFound, "uid \(getuid()) has no identity \(subsystem) on this node; nodeagent cert ls shows which there are")
    }
    let chain = try client.call(CertMethods.chain, .init(agent: own.agent))
    let signer = ManagedKey(instance: instance, agent: own.agent, serial: chain.serial)
    return try TLSIdentity(
      chain: chain.chain, key: NIOSSLPrivateKey(customPrivateKey: signer), root: chain.root, ends: chain.ends)
  }

  // MARK: - From a file

  /// What a keyring's payload looks like, in a file: the key, its certificate, the intermediate, and the root.
  public static func file(_ path: String) throws -> TLSIdentity {
    let status = try FileSystem.status(of: path)
    guard status.mode & 0o077 == 0 else {
      throw RPCError(.permissionDenied, "\(path) can be read by others, and has a key; make it mode 0600")
    }
    let text = try FileSystem.readText(path, limit: 256 << 10)
    let documents = try PEMDocument.parseMultiple(pemString: text)
    let certificates = documents.filter { $0.discriminator == "CERTIFICATE" }.map(\.pemString)
    guard certificates.count >= 2, let root = certificates.last else {
      throw RPCError(.invalidParams, "\(path) has to have a key, its certificate, the intermediate and the root (PEM)")
    }
    let key = try NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem)
    let leaf = try Certificate(pemEncoded: certificates[0])
    return try TLSIdentity(
      chain: Array(certificates.dropLast()), key: key, root: root,
      ends: Timestamp.text(microseconds: Int64(leaf.notValidAfter.timeIntervalSince1970) * 1_000_000))
  }

  private init(chain: [String], key: NIOSSLPrivateKey, root: String, ends: String) throws {
    self.chain = try chain.map { try NIOSSLCertificate(bytes: Array($0.utf8), format: .pem) }
    self.key = key
    self.root = try NIOSSLCertificate(bytes: Array(root.utf8), format: .pem)
    self.ends = ends
    guard let leaf = chain.first, let identity = AgentIdentity(try Certificate(pemEncoded: leaf)) else {
      throw RPCError(.invalidParams, "the certificate is not one of an agent")
    }
    application = identity.application
  }

  // MARK: - Handshakes

  /// TLS 1.3, and both ends show certificates.
  func serverContext() throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv13
    configuration.trustRoots = .certificates([root])
    configuration.certificateVerification = .noHostnameVerification
    configuration.applicationProtocols = RemoteTarget.allCases.map(\.protocolName)
    return try NIOSSLContext(configuration: configuration)
  }

  func clientContext(_ target: RemoteTarget) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.trustRoots = .certificates([root])
    configuration.certificateChain = chain.map { .certificate($0) }
    configuration.privateKey = .privateKey(key)
    // The node's name is in the subject, and looked at there: ``RemotePeerCertificate``.
    configuration.certificateVerification = .noHostnameVerification
    configuration.applicationProtocols = [target.protocolName]
    return try NIOSSLContext(configuration: configuration)
  }
}
