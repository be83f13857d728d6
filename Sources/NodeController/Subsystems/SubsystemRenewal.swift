// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel

extension Subsystem {
  /// Puts the next certificate into the keyring of what runs, in the place of the one before, and tells it.
  ///
  /// Its keeper has no privilege by now; the keyring is root's, who may change it and read no key in it.
  func takeIdentity(_ agent: String, _ token: String) async throws {
    guard let run, let identity = run.identity, identity.agent == agent else { return }
    guard let token = IdentityToken(token) else { throw RPCError(.internalError, "the manager gave no token") }
    try await Blocking.onOwnThread("renew-\(name)") {
      // This thread's alone, and gone with it. What answers the kernel has to find the key where it was asked for.
      try Keyring.joinSession()
      let key = try Keyring.request(token.keyDescription, into: Keyring.session)
      try Keyring.link(key, to: identity.ring)
      for other in try Keyring.list(identity.ring) where other != key { try Keyring.unlink(other, from: identity.ring) }
    }
    record("identity renewed", nil)
    guard self.run === run, let renewal = spec.identity?.renewal else { return }
    // It has the certificate: not to be told of it is no reason to make another.
    do {
      if let signal = renewal.signal { try run.workload?.signal(signal) }
      if let command = renewal.command { _ = try await self.run(command, timeout: 60_000) }
    } catch {
      record("renewal command failed", "\(error)")
    }
  }
}
