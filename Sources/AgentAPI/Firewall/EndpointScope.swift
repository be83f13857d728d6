// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Who may reach an endpoint; each includes those before it.
public enum EndpointScope: String, Sendable, Hashable, SchemaEnumeration, Comparable {
  /// Programs and containers of this node.
  case node
  /// The addresses that the firewall's policy names as the cluster's, too.
  case cluster
  /// Everybody.
  case internet

  public static func < (left: EndpointScope, right: EndpointScope) -> Bool { left.rank < right.rank }

  private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
