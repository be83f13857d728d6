// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// What a port belongs to.
public enum TransportProtocol: String, Sendable, Hashable, SchemaEnumeration {
  case tcp, udp

  /// As IP numbers them (RFC 790).
  public var number: UInt8 { self == .tcp ? 6 : 17 }
}
