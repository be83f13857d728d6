// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Where a manager has its certificates signed, as `certificates.yaml` says.
public struct AuthoritySettings: Sendable, Hashable {
  /// `https://HOST:PORT`; `nil`: where the bootstrap data says.
  public var url: String?
  /// `sha256:` and the hash of the root's DER in hexadecimal; `nil`: as the bootstrap data says.
  public var root: String?
  public var bootstrap: BootstrapSource

  public init(url: String?, root: String?, bootstrap: BootstrapSource) {
    self.url = url
    self.root = root
    self.bootstrap = bootstrap
  }
}
