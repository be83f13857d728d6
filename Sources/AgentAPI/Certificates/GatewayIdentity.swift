// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// Who the gateway is, which callers from other machines come through: the package's user `nodeagent-gateway`, or an id that is derived from the
/// instance.
public struct GatewayIdentity: Sendable, Equatable {
  public var uid: UInt32

  public init(instance: Instance) {
    let derived = 60000 + (UInt32(instance.id, radix: 16) ?? 0) % 144
    uid = getpwnam("nodeagent-gateway").map { $0.pointee.pw_uid } ?? derived
  }
}
