// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// An endpoint of a container: its name and the container's own port.
public struct NamedPort: Codable, Sendable, Hashable {
  public var name: String
  public var proto: TransportProtocol
  public var port: UInt16
  public init(name: String, proto: TransportProtocol, port: UInt16) {
    self.name = name
    self.proto = proto
    self.port = port
  }
}
