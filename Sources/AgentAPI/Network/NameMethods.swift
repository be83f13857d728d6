// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// What the monitor's DNS server answers for containers.
public enum NameMethods {
  public struct Container: Codable, Sendable, Hashable {
    public var name: String
    public var address: String
    public var address6: String?
    public var endpoints: [NamedPort]
    public init(name: String, address: String, address6: String? = nil, endpoints: [NamedPort]) {
      self.address6 = address6
      self.name = name
      self.address = address
      self.endpoints = endpoints
    }
  }

  /// All containers with a network.
  public struct Names: Codable, Sendable, Hashable {
    /// The bridge's address, where containers ask.
    public var gateway: String
    /// Whose addresses are containers' and nobody else's.
    public var networks: [String]
    public var containers: [Container]
    public init(gateway: String, networks: [String], containers: [Container]) {
      self.networks = networks
      self.gateway = gateway
      self.containers = containers
    }
  }

  /// The domain of all containers; `internal` is reserved for private use (ICANN, 2024).
  public static let domain = "containers.internal"
  /// Where the server listens; queries to port 53 of the gateway are led there, so that another server of the host that
  /// listens on all addresses is not in the way.
  public static let port: UInt16 = 20053

  public static let assignments = Method<Empty, Names>(
    "names.assignments", kind: .topic, role: .monitor, "The containers' names, again whenever they change.")
}
