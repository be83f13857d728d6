// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// Where an identity's text is read from: one certificate with its key.
protocol IdentityPayload: Sendable {
  func read() throws -> LockedBytes
}

/// In a key of the kernel.
struct KeyringPayload: IdentityPayload {
  let key: Keyring.Serial
  func read() throws -> LockedBytes { try Keyring.read(key, most: 32 << 10) }
}
