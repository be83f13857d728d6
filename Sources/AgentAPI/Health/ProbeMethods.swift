// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Checks that the monitor makes for the container controller, over connections into containers.
///
/// After `probe.open` each direction carries lines of JSON: a ``Look`` with the connected socket as its descriptor, and an
/// ``Answer`` for each, in any order.
public enum ProbeMethods {
  public struct Look: Codable, Sendable, Hashable {
    public var id: UInt64
    public var check: HealthCheck
    public init(id: UInt64, check: HealthCheck) {
      self.id = id
      self.check = check
    }
  }

  public struct Answer: Codable, Sendable, Hashable {
    public var id: UInt64
    public var ok: Bool
    public var output: String
    public init(id: UInt64, ok: Bool, output: String) {
      self.id = id
      self.ok = ok
      self.output = output
    }
  }

  public static let open = Method<Empty, Empty>(
    "probe.open", kind: .stream, role: .observer,
    "Opens a channel for HTTP checks over connections that the caller has made.")
}
