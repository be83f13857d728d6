// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import LinuxKernel

/// The token with which a node comes back after a boot, in a file of the manager's own directory.
///
/// A manager's key is in memory alone, and gone when the machine goes down. What outlives that is the right to a next one, good once, and worth
/// nothing when the authority has seen it or has given another.
struct NextBoot: Sendable {
  private let file: String

  init(directory: String) { file = "\(directory)/next-boot" }

  /// - Returns: `nil` where the authority gave none.
  func token() throws -> BootstrapToken? {
    guard FileSystem.exists(file) else { return nil }
    return BootstrapToken(try FileSystem.readText(file, limit: 256).filter { !$0.isWhitespace })
  }

  /// - Parameter token: `nil`: the authority gives none, and what was there is good for nothing.
  func keep(_ token: String?) throws {
    guard let token, BootstrapToken(token) != nil else {
      if FileSystem.exists(file) { try FileSystem.remove(file) }
      return
    }
    try FileSystem.replace(file, with: Array("\(token)\n".utf8), mode: 0o600, durable: true)
  }
}
