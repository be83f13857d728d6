// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Crypto
import LaunchPlan

/// What a new agent shows to get its first certificate: 256 random bits, good once. Only its hash is kept.
public struct BootstrapToken: Sendable {
  /// `na1.` and 52 letters and digits (RFC 4648 base 32, small).
  public let text: String

  private static let prefix = "na1."

  public init() {
    let key = SymmetricKey(size: .bits256)
    text = Self.prefix + key.withUnsafeBytes { Base32.encode(Array($0)) }
  }

  /// `nil` where it is no token.
  public init?(_ text: String) {
    guard text.hasPrefix(Self.prefix), Base32.isKeySized(text.dropFirst(Self.prefix.count)) else { return nil }
    self.text = text
  }

  /// Its name in the ledger. The token has too many bits to be guessed from it, so that no salt is needed.
  var hash: [UInt8] { Array(SHA256.hash(data: Array(text.utf8))) }
}

/// What a token is good for.
public struct TokenGrant: Sendable, Hashable, Codable {
  public var node: String
  public var subsystem: String
  public var capabilities: AgentCapabilities
  /// Where the agent is called back after it has got its certificate; `nil`: it is not.
  public var callBack: CallBack?
  /// With each of its certificates the agent gets a token for its machine's next boot, good for so many seconds; `nil`: it gets none.
  public var afterBoot: Double?

  /// Within so many seconds somebody has to prove at `HOST:PORT` that he has the certificate's key.
  public struct CallBack: Sendable, Hashable, Codable {
    public var endpoint: String
    public var seconds: Double
    public init(endpoint: String, seconds: Double) {
      self.endpoint = endpoint
      self.seconds = seconds
    }
  }

  public init(
    node: String, subsystem: String, capabilities: AgentCapabilities, callBack: CallBack? = nil,
    afterBoot: Double? = nil
  ) {
    self.callBack = callBack
    self.afterBoot = afterBoot
    self.node = node
    self.subsystem = subsystem
    self.capabilities = capabilities
  }
}
