// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LaunchPlan
import LinuxKernel

/// The container's identity in a session keyring of its own, which everything in the container inherits: the keyring `nodeagent`, and in
/// it one key of the type `user` with the private key, the certificate, the intermediate and the root, as PEM.
///
/// PID 1 asks for it and reads it only for the processes that want it as files.
struct HarnessIdentity {
  let ring: Keyring.Serial
  private var key: Keyring.Serial
  private let files: IdentityFiles?

  static let ringName = "nodeagent"

  /// - Parameter served: `/dev/fuse` of the file-system that shows the identity as files.
  /// - Throws: ``StartFailure``.
  init(token: String, served: SharedDescriptor?) throws {
    do {
      // The one that was inherited is the agent's, or an administrator's.
      try Keyring.joinSession()
      ring = try Keyring.make(Self.ringName, in: Keyring.session)
      key = try Self.request(token, into: ring)
      if let served {
        let shown = try IdentityFiles(KeyringPayload(key: key))
        try IdentityFileSystem.start(shown, over: served)
        files = shown
      } else {
        files = nil
      }
    } catch let error as SyscallError {
      throw StartFailure(stage: "taking up its identity", error: error)
    }
  }

  /// Takes up the next certificate, which takes the place of the one before.
  mutating func take(_ token: String) throws {
    let next = try Self.request(token, into: ring)
    do {
      try files?.replace(by: KeyringPayload(key: next))
    } catch {
      try? Keyring.unlink(next, from: ring)
      throw error
    }
    let before = key
    key = next
    // One that has ended is gone by itself.
    try? Keyring.unlink(before, from: ring)
  }

  /// How long PID 1 may sleep, in milliseconds; `nil` for as long as it likes.
  var patience: Int32? { files?.patience }
  func forgetPrevious() { files?.forgetPrevious() }

  private static func request(_ token: String, into ring: Keyring.Serial) throws -> Keyring.Serial {
    guard let token = IdentityToken(token) else {
      throw SyscallError(call: "request_key", object: "the identity", errno: 22)
    }
    return try Keyring.request(token.keyDescription, into: ring)
  }
}
