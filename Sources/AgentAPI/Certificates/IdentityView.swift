// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// An agent's identity as its manager shows it; never with its key.
public struct IdentityView: Codable, Sendable, Hashable, SchemaDocumented {
  public enum State: String, Sendable, Hashable, SchemaEnumeration {
    /// Its certificate is being signed.
    case pending
    /// It has a certificate, and nobody has taken it up yet.
    case issued
    /// Its agent has it.
    case active
    /// Its certificate has ended, and there is no next one yet.
    case expired
    /// Its agent has ended; the authority has yet to be told.
    case ended
  }

  /// How the agent gets to use its key.
  public enum Delivery: String, Sendable, Hashable, SchemaEnumeration {
    /// The key is in a keyring of the agent's.
    case keyring
    /// The manager signs for it.
    case signer
  }

  public var agent: String
  public var subsystem: String
  /// What its parent calls it: a container's name.
  public var name: String?
  /// The agent that asked for it.
  public var parent: String?
  /// The user, as the host numbers it, that may take it up.
  public var uid: UInt32
  public var state: State
  public var delivery: Delivery?
  /// There is a certificate that its agent, which has its key itself, has not taken up yet.
  public var fresh: Bool?
  /// Hexadecimal; of the newest certificate.
  public var serial: String?
  /// RFC 3339.
  public var ends: String?
  public var roles: [String]
  public var spawn: [String]
  /// Why there is no next certificate yet.
  public var problem: String?

  public init(
    agent: String, subsystem: String, name: String?, parent: String?, uid: UInt32, state: State, delivery: Delivery?,
    serial: String?, ends: String?, roles: [String], spawn: [String], problem: String?
  ) {
    self.agent = agent
    self.subsystem = subsystem
    self.name = name
    self.parent = parent
    self.uid = uid
    self.state = state
    self.delivery = delivery
    self.serial = serial
    self.ends = ends
    self.roles = roles
    self.spawn = spawn
    self.problem = problem
  }

  public static let memberSummaries = [
    "agent": "its id, the UID of its certificate's subject", "name": "what its parent calls it: a container's name",
    "parent": "the agent that asked for it", "uid": "the user, as the host numbers it, that may take it up",
    "delivery": "keyring: its agent has its key; signer: the manager signs for it",
    "fresh": "true: there is a newer certificate than the agent has taken up; cert.token makes the token for it",
    "serial": "of the newest certificate, hexadecimal", "ends": "of the newest certificate, RFC 3339",
    "problem": "why there is no next certificate yet",
  ]
}
