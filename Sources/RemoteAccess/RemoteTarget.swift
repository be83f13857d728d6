// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC

/// Which of a node's sockets a connection is for, told by its protocol in the handshake (ALPN, RFC 7301).
public enum RemoteTarget: String, Sendable, Hashable, CaseIterable {
  case node, container, cert

  public var protocolName: String { "nodeagent-\(rawValue)/1" }

  init?(protocolName: String?) {
    guard let found = Self.allCases.first(where: { $0.protocolName == protocolName }) else { return nil }
    self = found
  }

  func socket(_ instance: Instance) -> String {
    switch self {
    case .node: instance.nodeSocket
    case .container: instance.containerSocket
    case .cert: instance.certificateSocket
    }
  }

  /// Where a node is reached where nothing else is said.
  public static let port: UInt16 = 9740
}
