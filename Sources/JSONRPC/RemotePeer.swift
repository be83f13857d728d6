// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A caller on another machine, for whom the gateway speaks: what its certificate says.
public struct RemotePeer: Codable, Sendable, Hashable {
  /// The agent's id.
  public var agent: String
  public var subsystem: String
  public var node: String
  public var roles: [String]

  public init(agent: String, subsystem: String, node: String, roles: [String]) {
    self.agent = agent
    self.subsystem = subsystem
    self.node = node
    self.roles = roles
  }

  /// The roles that somebody on another machine can have: those of this machine's own parts are theirs alone.
  public static let possible: Set<Role> = [.admin, .operatorRole, .observer]

  public var usableRoles: Set<Role> { Set(roles.compactMap(Role.init(rawValue:))).intersection(Self.possible) }
}

extension Peer {
  /// From here on this is somebody on another machine, with what he can have here, and for good.
  mutating func become(_ other: RemotePeer) throws(RPCError) {
    guard remote == nil, !other.usableRoles.isEmpty else {
      throw RPCError(.permissionDenied, "\(other.agent.prefix(64)) has no role for callers from other machines")
    }
    remote = other
    roles = other.usableRoles
  }
}
