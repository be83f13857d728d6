// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import LinuxKernel
import Logging
import X509

/// The authority of a machine that needs no other: in the manager's own directory, made when it is not there yet.
struct EmbeddedIssuer: CertificateIssuer {
  let store: AuthorityStore
  private let logger: Logger

  init(directory: String, application: String, credential: String?, logger: Logger) throws {
    self.logger = logger
    if FileSystem.exists("\(directory)/authority.json") {
      store = try AuthorityStore(directory, credential: credential)
    } else {
      logger.info("making an authority", metadata: ["directory": "\(directory)"])
      store = try AuthorityStore.make(
        directory, application: application, kind: .p256, url: nil, credential: credential)
    }
  }

  var name: String { "embedded" }
  var application: String { store.application }
  var root: Certificate { store.authority.root }
  var intermediate: Certificate { store.authority.intermediate }

  func issue(
    _ identity: AgentIdentity, _ capabilities: AgentCapabilities, key: AgentKey, names: [String], life: TimeInterval,
    event: String
  ) throws -> Certificate {
    let certificate = try store.authority.issue(
      identity, capabilities, key: key.publicKey, names: names, life: life)
    try store.ledger.record(certificate, identity, capabilities, event: event)
    return certificate
  }

  func revoke(agent: String, sparing serial: String?, _ reason: RevocationReason) throws {
    try store.ledger.revoke(agent: agent, sparing: serial, reason)
  }

  func refused(_ what: String, _ problem: CertificateProblem) {
    do {
      try store.ledger.refuse(what, problem)
    } catch {
      logger.error("a refusal could not be written down", metadata: ["error": "\(error)"])
    }
  }
}
