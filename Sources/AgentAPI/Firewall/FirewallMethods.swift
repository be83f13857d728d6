// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

public enum FirewallMethods {
  /// One endpoint as it is enforced.
  public struct View: Codable, Sendable, Hashable, SchemaDocumented {
    public enum Source: String, Sendable, Hashable, SchemaEnumeration {
      /// The policy's file.
      case file
      /// `firewall open`.
      case opened
      /// A container's published endpoint.
      case container
    }
    public var source: Source
    public var endpoint: FirewallEndpoint
    public var container: String?
    /// Where packets to a container's endpoint go: `10.128.0.2:80`.
    public var target: String?

    public init(source: Source, endpoint: FirewallEndpoint, container: String? = nil, target: String? = nil) {
      self.source = source
      self.endpoint = endpoint
      self.container = container
      self.target = target
    }
    public static let memberSummaries = ["source": "file, opened by hand, or a container"]
  }

  public struct Listing: Codable, Sendable, Hashable {
    /// The table's name in nftables.
    public var table: String
    public var policy: FirewallPolicy
    public var endpoints: [View]
    /// When what was applied last is taken back, unless it is confirmed; RFC 3339.
    public var unconfirmedUntil: String?

    public init(table: String, policy: FirewallPolicy, endpoints: [View], unconfirmedUntil: String?) {
      self.table = table
      self.policy = policy
      self.endpoints = endpoints
      self.unconfirmedUntil = unconfirmedUntil
    }
  }

  /// A TCP connection that a change must not cut: `SSH_CONNECTION`'s.
  public struct Connection: Codable, Sendable, Hashable {
    /// The far address.
    public var source: String
    /// The port of this node.
    public var port: UInt16
    public init(source: String, port: UInt16) {
      self.source = source
      self.port = port
    }
  }

  public struct Change: Codable, Sendable, Hashable, SchemaDocumented {
    public var dryRun: Bool?
    /// Also when it would lock somebody out.
    public var force: Bool?
    /// Milliseconds after which it is taken back, unless it is confirmed.
    public var confirmWithin: Int64?
    public var protect: [Connection]?
    public init(
      dryRun: Bool? = nil, force: Bool? = nil, confirmWithin: Int64? = nil, protect: [Connection]? = nil
    ) {
      self.dryRun = dryRun
      self.force = force
      self.confirmWithin = confirmWithin
      self.protect = protect
    }
    public static let memberSummaries = [
      "dryRun": "only tells what would change", "force": "also when it locks somebody out",
      "confirmWithin": "milliseconds after which it is taken back, unless it is confirmed; 1000 to 3600000",
      "protect": "connections that it must not cut, beside those to port 22",
    ]
  }

  public struct Open: Codable, Sendable, Hashable {
    public var endpoint: FirewallEndpoint
    public var change: Change
    public init(endpoint: FirewallEndpoint, change: Change) {
      self.endpoint = endpoint
      self.change = change
    }
  }

  public struct Close: Codable, Sendable, Hashable {
    public var name: String
    public var change: Change
    public init(name: String, change: Change) {
      self.name = name
      self.change = change
    }
  }

  /// What changes, a line each, and whom it would lock out.
  public struct Plan: Codable, Sendable, Hashable, SchemaDocumented {
    /// Lines that begin with `+`, `-` or `~`.
    public var changes: [String]
    public var lockedOut: [String]
    public var done: Bool
    public init(changes: [String], lockedOut: [String], done: Bool = false) {
      self.changes = changes
      self.lockedOut = lockedOut
      self.done = done
    }
    public static let memberSummaries = [
      "changes": "lines that begin with +, - or ~", "lockedOut": "connections that could not be made again",
    ]
  }

  public static let list = Method<Empty, Listing>(
    "firewall.list", role: .observer, "The policy and the endpoints that are enforced.")
  public static let apply = Method<Change, Plan>(
    "firewall.apply", role: .admin, "Makes firewall.yaml what is enforced, all at once.",
    errors: [.invalidParams, .wrongState])
  public static let open = Method<Open, Plan>(
    "firewall.open", role: .admin, "Opens ports of the node, also after a boot.",
    errors: [.alreadyExists, .wrongState])
  public static let close = Method<Close, Plan>(
    "firewall.close", role: .admin, "Takes back what was opened.", errors: [.notFound, .wrongState])
  public static let confirm = Method<Empty, Empty>(
    "firewall.confirm", role: .admin, "Keeps what was applied on probation.", errors: [.wrongState])
}
