// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

extension ManagedIdentity {
  /// What a keyring's key is made of.
  struct Payload: Sendable {
    /// With the header of the answer to a ``RedeemRequest``.
    var packet: LockedBytes
    var serial: String
  }
}
