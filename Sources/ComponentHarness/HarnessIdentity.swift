// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LaunchPlan
import LinuxKernel

/// The container's identity in a session keyring of its own, which everything in the container inherits: the keyring `nodeagent`, and in
/// it one key of the type `user` with the private key, the certificate, the intermediate and the root, as PEM.
///
/// PID 1 asks for it and never reads it.
struct HarnessIdentity {
  private let ring: Keyring.Serial
  private var key: Keyring.Serial

  static let ringName = "nodeagent"

  /// - Throws: ``StartFailure``.
  init(token: String) throws {
    do {
      // The one that was inherited is the agent's, or an administrator's.
      try Keyring.joinSession()
      ring = try Keyring.make(Self.ringName, in: Keyring.session)
      key = try Self.request(token, into: ring)
    } catch let error as SyscallError {
      throw StartFailure(stage: "taking up its identity", error: error)
    }
  }

  /// Takes up the next certificate, which takes the place of the one before.
  mutating func take(_ token: String) throws {
    let next = try Self.request(token, into: ring)
    let before = key
    key = next
    // One that has ended is gone by itself.
    try? Keyring.unlink(before, from: ring)
  }

  private static func request(_ token: String, into ring: Keyring.Serial) throws -> Keyring.Serial {
    guard let token = IdentityToken(token) else {
      throw SyscallError(call: "request_key", object: "the identity", errno: 22)
    }
    return try Keyring.request(token.keyDescription, into: ring)
  }
}
