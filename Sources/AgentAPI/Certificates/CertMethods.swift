// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Identities of agents, on `cert.sock`. Who asks is known by the uid of the connection: it has to have an identity itself.
public enum CertMethods {
  public struct Request: Codable, Sendable, Hashable, SchemaDocumented {
    public var subsystem: String
    public var uid: UInt32
    public var name: String?
    public var endpoints: [NamedPort]?
    public var roles: [String]?
    public var spawn: [String]?
    public var key: String?
    /// Seconds.
    public var life: Int64?
    public init(
      subsystem: String, uid: UInt32, name: String? = nil, endpoints: [NamedPort]? = nil, roles: [String]? = nil,
      spawn: [String]? = nil, key: String? = nil, life: Int64? = nil
    ) {
      self.subsystem = subsystem
      self.uid = uid
      self.name = name
      self.endpoints = endpoints
      self.roles = roles
      self.spawn = spawn
      self.key = key
      self.life = life
    }
    public static let memberSummaries = [
      "subsystem": "the kind of the child; one that the caller's certificate lets it spawn",
      "uid": "the user, as the host numbers it, that may take the identity up",
      "name":
        "what the caller calls its child; a container's certificate has NAME.containers.internal as a DNS name, too",
      "endpoints": "what it will serve", "roles": "of those that the caller has itself",
      "spawn": "of those that the caller may spawn itself", "key": "p256 (usual) or ed25519",
      "life": "seconds from 60 to 604800; usually 43200",
    ]
  }

  public struct Token: Codable, Sendable, Hashable, SchemaDocumented {
    public var agent: String
    public var token: String
    /// RFC 3339.
    public var expires: String
    public init(agent: String, token: String, expires: String) {
      self.agent = agent
      self.token = token
      self.expires = expires
    }
    public static let memberSummaries = [
      "token": "good once, for request_key(2) as nodeagent:cert:TOKEN, or for cert.redeem"
    ]
  }

  public struct Redeem: Codable, Sendable, Hashable {
    public var token: String
    public init(token: String) { self.token = token }
  }

  /// A certificate in use, without its key.
  public struct Chain: Codable, Sendable, Hashable, SchemaDocumented {
    public var agent: String
    public var serial: String
    /// PEM: the certificate, then the intermediate.
    public var chain: [String]
    /// PEM.
    public var root: String
    public var ends: String
    public init(agent: String, serial: String, chain: [String], root: String, ends: String) {
      self.agent = agent
      self.serial = serial
      self.chain = chain
      self.root = root
      self.ends = ends
    }
    public static let memberSummaries = [
      "serial": "hexadecimal; cert.sign takes it", "chain": "PEM: its certificate, then the intermediate's",
      "root": "PEM", "ends": "RFC 3339",
    ]
  }

  public struct Agent: Codable, Sendable, Hashable {
    public var agent: String
    public init(agent: String) { self.agent = agent }
  }

  public struct Revoke: Codable, Sendable, Hashable, SchemaDocumented {
    public var agent: String
    public var reason: String?
    public init(agent: String, reason: String? = nil) {
      self.agent = agent
      self.reason = reason
    }
    public static let memberSummaries = [
      "reason":
        "unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation (usual: the agent has ended)"
    ]
  }

  public struct Sign: Codable, Sendable, Hashable, SchemaDocumented {
    public var agent: String
    public var serial: String
    public var data: String
    public init(agent: String, serial: String, data: String) {
      self.agent = agent
      self.serial = serial
      self.data = data
    }
    public static let memberSummaries = [
      "serial": "of the certificate that the signature is to be checked with",
      "data": "what is signed, not its hash; Base64, at most 64 KiB",
    ]
  }

  public struct Signature: Codable, Sendable, Hashable, SchemaDocumented {
    public var algorithm: String
    public var signature: String
    public init(algorithm: String, signature: String) {
      self.algorithm = algorithm
      self.signature = signature
    }
    public static let memberSummaries = [
      "algorithm": "ecdsa-with-SHA256 (the signature is DER) or ed25519", "signature": "Base64",
    ]
  }

  public struct Check: Codable, Sendable, Hashable {
    /// Hexadecimal.
    public var serial: String
    public init(serial: String) { self.serial = serial }
  }

  /// Whether a certificate of the authority is still good.
  public struct Checked: Codable, Sendable, Hashable {
    public enum State: String, Sendable, Hashable, SchemaEnumeration { case good, revoked, unknown }
    public var state: State
    public init(state: State) { self.state = state }
  }

  public struct Query: Codable, Sendable, Hashable {
    public var names: [String]?
    public init(names: [String]? = nil) { self.names = names }
  }

  /// Who signs here, and what the kernel's keyrings have room for.
  public struct Status: Codable, Sendable, Hashable, SchemaDocumented {
    /// `embedded`, or a URL.
    public var authority: String
    /// Why the authority does not serve this node yet.
    public var problem: String?
    public var application: String?
    public var node: String?
    /// PEM.
    public var root: String?
    public var identities: Int
    /// It has a token for the machine's next boot; `nil` where it needs none, since the authority is its own.
    public var hasNextBoot: Bool?
    public var upcall: String?
    /// Of one user who is not root (keyrings(7), `/proc/sys/kernel/keys`).
    public var keysPerUser: Int
    public var keyBytesPerUser: Int
    public init(
      authority: String, problem: String?, application: String?, node: String?, root: String?, identities: Int,
      hasNextBoot: Bool?, upcall: String?,
      keysPerUser: Int, keyBytesPerUser: Int
    ) {
      self.authority = authority
      self.problem = problem
      self.application = application
      self.node = node
      self.root = root
      self.identities = identities
      self.hasNextBoot = hasNextBoot
      self.upcall = upcall
      self.keysPerUser = keysPerUser
      self.keyBytesPerUser = keyBytesPerUser
    }
    public static let memberSummaries = [
      "authority": "embedded, or a URL", "problem": "why the authority does not serve this node yet", "root": "PEM",
      "hasNextBoot": "whether there is a token for the machine's next boot; missing where the authority is its own",
      "upcall": "why the kernel cannot ask this manager for keys; missing where it can",
      "keysPerUser": "the kernel's limit for a user who is not root", "keyBytesPerUser": "the same, in bytes",
    ]
  }

  public static let request = Method<Request, Token>(
    "cert.request", role: .observer,
    "Makes an identity for a child of the caller, and answers with a token at once; signing goes on behind it.",
    errors: [.permissionDenied, .invalidParams])
  public static let token = Method<Agent, Token>(
    "cert.token", role: .observer,
    "Makes another token for a child of the caller, so that it can take up what was renewed; the one before is void.",
    errors: [.permissionDenied, .notFound])
  public static let redeem = Method<Redeem, Chain>(
    "cert.redeem", role: .observer,
    "Takes up the caller's identity without its key, which stays here: cert.sign uses it. (With its key: request_key(2).)",
    errors: [.permissionDenied, .deadlineExceeded])
  public static let chain = Method<Agent, Chain>(
    "cert.chain", role: .observer, "The newest certificate of an identity that the caller has taken up.",
    errors: [.permissionDenied, .notFound])
  public static let sign = Method<Sign, Signature>(
    "cert.sign", role: .observer, "Signs with the key of an identity that the caller has taken up.",
    errors: [.permissionDenied, .notFound, .wrongState])
  public static let renew = Method<Agent, IdentityView>(
    "cert.renew", role: .observer, "Makes the next certificate now, of the caller's own identity or of a child's.",
    errors: [.permissionDenied, .notFound, .unavailable])
  public static let revoke = Method<Revoke, Empty>(
    "cert.revoke", role: .observer,
    "Ends an identity of the caller's own or of a child's: its certificates are revoked, its token is void.",
    errors: [.permissionDenied, .notFound, .invalidParams])
  public static let check = Method<Check, Checked>(
    "cert.check", role: .observer,
    "Whether a certificate that the authority has issued is still good, by its ledger or by its list of revoked ones.",
    errors: [.invalidParams, .unavailable])
  public static let list = Method<Query, [IdentityView]>("cert.list", role: .observer, "The identities on this node.")
  public static let status = Method<Empty, Status>(
    "cert.status", role: .observer, "Who signs here, and what limits hold.")
  public static let watch = Method<Query, IdentityView>(
    "cert.watch", kind: .topic, role: .observer,
    "Each identity as it is now, and again whenever it changes: renewed, taken up, ended.")
}
