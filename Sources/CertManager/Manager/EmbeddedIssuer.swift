// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import JSONRPC
import LinuxKernel
import Logging
import X509

/// The authority of a machine that needs no other: in the manager's own directory, made when it is not there yet.
struct EmbeddedIssuer: CertificateIssuer {
  let store: AuthorityStore
  private let node: String
  private let logger: Logger

  init(directory: String, application: String, node: String, credential: String?, logger: Logger) throws {
    self.logger = logger
    self.node = node
    if FileSystem.exists("\(directory)/authority.json") {
      store = try AuthorityStore(directory, credential: credential)
    } else {
      logger.info("making an authority", metadata: ["directory": "\(directory)"])
      store = try AuthorityStore.make(
        directory, application: application, kind: .p256, url: nil, credential: credential)
    }
  }

  var name: String { "embedded" }
  var hasNextBoot: Bool? { nil }

  func authority() -> IssuerFacts {
    IssuerFacts(
      application: store.application, node: node, root: store.authority.root)
  }

  func run(ready: @escaping @Sendable () async -> Void) async {
    await keepIntermediate()
    await ready()
    while (try? await Task.sleep(for: .seconds(86400))) != nil { await keepIntermediate() }
  }

  /// The root's key is here, so that nobody has to be asked for a next intermediate.
  private func keepIntermediate() async {
    do {
      try await Blocking.run {
        try store.forgetRetired()
        guard store.isIntermediateEnding() else { return }
        let next = try store.makeNextIntermediate()
        logger.info("made the next intermediate", metadata: ["ends": "\(next.notValidAfter)"])
      }
    } catch {
      logger.error("the authority's intermediates cannot be kept", metadata: ["error": "\(error)"])
    }
  }

  func issue(
    _ identity: AgentIdentity, _ capabilities: AgentCapabilities, key: AgentKey, names: [String], life: TimeInterval,
    event: String, isAgain: Bool
  ) async throws -> IssuedCertificate {
    try store.refresh()
    let (authority, key) = (store.authority, key.publicKey)
    // A signature of a token's takes its time, and a thread.
    let certificate =
      if store.isOnToken {
        try await Blocking.run { try authority.issue(identity, capabilities, key: key, names: names, life: life) }
      } else {
        try authority.issue(identity, capabilities, key: key, names: names, life: life)
      }
    try await store.ledger.recordTogether(certificate, identity, capabilities, event: event)
    return IssuedCertificate(certificate: certificate, intermediate: authority.intermediate)
  }

  func revoke(agent: String, sparing serial: String?, _ reason: RevocationReason) async throws {
    try await Blocking.run { [store] in try store.ledger.revoke(agent: agent, sparing: serial, reason) }
  }

  func state(of serial: Certificate.SerialNumber) async throws -> CertificateAuthority.CertificateState {
    try await Blocking.run { [store] in try store.ledger.state(of: serial) }
  }

  func refused(_ what: String, _ problem: CertificateProblem) {
    do {
      try store.ledger.refuse(what, problem)
    } catch {
      logger.error("a refusal could not be written down", metadata: ["error": "\(error)"])
    }
  }
}
