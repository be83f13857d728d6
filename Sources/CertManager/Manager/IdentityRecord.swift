// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Crypto
import Foundation

/// What a manager keeps of an identity over its own restarts, in a file of its run directory: everything but keys.
struct IdentityRecord: Codable, Sendable, Hashable {
  struct Live: Codable, Sendable, Hashable {
    /// Hexadecimal.
    var serial: String
    var issued: Date
    var ends: Date
  }

  struct Token: Codable, Sendable, Hashable {
    /// SHA-256; the token has too many bits to be found from it.
    var hash: Data
    var expires: Date
    var used = false
  }

  var identity: AgentIdentity
  var capabilities: AgentCapabilities
  /// What its parent calls it.
  var name: String?
  /// Its parent is a container controller, so that its name is a container's; `nil` in records of versions that knew no others.
  var isContainer: Bool?
  /// An agent's id; `nil` for those that come with the manager.
  var parent: String?
  var uid: UInt32
  var kind: KeyKind
  /// Seconds.
  var life: TimeInterval
  var token: Token?
  var delivery: IdentityView.Delivery?
  /// The serial number of the certificate that its agent has the key of; `nil` in records of versions that did not keep it, too.
  var delivered: String?
  /// Those that the authority has signed and that are not known to be revoked, the newest last.
  var certificates: [Live] = []
  /// A renewal was asked for and its answer is not known: there may be a certificate more than stands here.
  var isAsking: Bool?
  /// Its agent has ended; the authority has yet to be told of some.
  var ended: RevocationReason?

  var agent: String { identity.agent }

  /// Beside ``AgentIdentity/dnsName``.
  var names: [String] {
    guard isContainer ?? true, let name,
      AgentIdentity(application: "a", subsystem: "a", agent: name, node: "a").problem == nil
    else {
      return []
    }
    return ["\(name).containers.internal"]
  }

  static func hash(of token: String) -> Data { Data(SHA256.hash(data: Array(token.utf8))) }
}
