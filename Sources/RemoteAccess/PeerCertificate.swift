// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import JSONRPC
import LinuxKernel
import NIOCore
import NIOSSL
import X509

/// What the other end of a handshake has proved to be.
struct PeerCertificate: Sendable {
  let identity: AgentIdentity
  let capabilities: AgentCapabilities
  /// Hexadecimal.
  let serial: String

  /// - Throws: where the certificate is not one of an agent of the same application, whatever signed it.
  init(_ handler: NIOSSLHandler, application: String) throws {
    guard let bytes = try handler.peerCertificate?.toDERBytes() else {
      throw RPCError(.permissionDenied, "the other end has shown no certificate")
    }
    let certificate = try Certificate(derEncoded: bytes)
    guard let identity = AgentIdentity(certificate), let capabilities = try AgentCapabilities(certificate) else {
      throw RPCError(.permissionDenied, "the other end's certificate is not one of an agent")
    }
    guard identity.application == application else {
      throw RPCError(
        .permissionDenied, "the other end belongs to the application \(identity.application), not to \(application)")
    }
    self.identity = identity
    self.capabilities = capabilities
    serial = certificate.serialNumber.bytes.hexadecimal
  }
}
