// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What a new agent shows the certificate manager of its machine to get its identity: `NUMBER.SECRET`.
///
/// The number is the instance's, so that one program can serve the requests of all instances on a machine; the secret is 256
/// bits (RFC 4648 base 32, small letters).
public struct IdentityToken: Sendable, Hashable, CustomStringConvertible {
  public let instance: Int
  public let secret: String

  static let prefix = "nodeagent:cert:"

  /// - Parameter random: 32 bytes.
  public init(instance: Int, random: [UInt8]) {
    self.instance = instance
    secret = Base32.encode(random)
  }

  /// `nil` where it is no token.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, (1...2).contains(parts[0].utf8.count),
      parts[0].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let instance = Int(parts[0]),
      Base32.isKeySized(parts[1])
    else { return nil }
    self.instance = instance
    secret = String(parts[1])
  }

  /// `nil` where it is not what an agent asks the kernel for.
  public init?(keyDescription text: String) {
    guard text.hasPrefix(Self.prefix) else { return nil }
    self.init(text.dropFirst(Self.prefix.count))
  }

  public var text: String { "\(instance).\(secret)" }
  /// What request_key(2) is called with.
  public var keyDescription: String { Self.prefix + text }
  /// Without its secret: it may be printed.
  public var description: String { "\(instance).…" }
}
