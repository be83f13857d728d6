// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// What a caller may do. Each method names the one it needs.
public enum Role: String, Sendable, Hashable, Codable, CaseIterable {
  /// Everything.
  case admin
  /// Run and change containers.
  case operatorRole = "operator"
  /// Look.
  case observer
  /// The container controller of this instance.
  case containerController = "container-controller"
  /// The monitor of this instance.
  case monitor
  /// The gateway of this instance, which speaks for others.
  case gateway
  /// A component inside a container.
  case component

  /// True when a caller with this role may do what `needed` asks for.
  public func includes(_ needed: Role) -> Bool {
    switch (self, needed) {
    case (.admin, .containerController), (.admin, .monitor), (.admin, .gateway), (.admin, .component): false
    case (.admin, _): true
    case (.operatorRole, .observer), (.containerController, .observer), (.monitor, .observer): true
    default: self == needed
    }
  }
}

/// Who is at the other end of a connection.
public struct Peer: Sendable, Hashable {
  public var credentials: PeerCredentials
  public var roles: Set<Role>
  /// Whom the gateway speaks for on this connection; the credentials are then the gateway's.
  public var remote: RemotePeer?

  public init(credentials: PeerCredentials, roles: Set<Role>) {
    self.credentials = credentials
    self.roles = roles
  }

  /// For the log, and for a refusal.
  public var name: String {
    remote.map { "agent \($0.agent) (\($0.subsystem) on \($0.node))" } ?? "uid \(credentials.uid)"
  }

  public func has(_ role: Role) -> Bool { roles.contains { $0.includes(role) } }
}

/// Gives roles to unix peers by their kernel-verified ids.
public struct RolePolicy: Sendable {
  public var adminUIDs: Set<UInt32>
  public var operatorGIDs: Set<UInt32>
  public var containerControllerUID: UInt32?
  public var monitorUID: UInt32?
  public var gatewayUID: UInt32?
  /// Given to everybody who can connect at all; the socket's mode decides who can.
  public var others: Role?

  public init(
    adminUIDs: Set<UInt32> = [0], operatorGIDs: Set<UInt32> = [], containerControllerUID: UInt32? = nil,
    monitorUID: UInt32? = nil, gatewayUID: UInt32? = nil, others: Role? = .observer
  ) {
    self.adminUIDs = adminUIDs
    self.operatorGIDs = operatorGIDs
    self.containerControllerUID = containerControllerUID
    self.monitorUID = monitorUID
    self.gatewayUID = gatewayUID
    self.others = others
  }

  public func peer(_ credentials: PeerCredentials) -> Peer {
    var roles: Set<Role> = []
    if adminUIDs.contains(credentials.uid) { roles.insert(.admin) }
    if credentials.uid == containerControllerUID { roles.insert(.containerController) }
    if credentials.uid == monitorUID { roles.insert(.monitor) }
    if credentials.uid == gatewayUID { roles.insert(.gateway) }
    if !operatorGIDs.isDisjoint(with: [credentials.gid] + credentials.groups) { roles.insert(.operatorRole) }
    if let others { roles.insert(others) }
    return Peer(credentials: credentials, roles: roles)
  }
}
