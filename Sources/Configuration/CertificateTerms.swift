// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What descriptors and unit files say of certificates.
extension DescriptorNode {
  /// The kind of a private key.
  public func keyKind() throws(DescriptorProblem) -> String {
    let text = try text()
    guard ["p256", "ed25519"].contains(text) else { throw problem("must be p256 or ed25519") }
    return text
  }

  /// How long a certificate is good, in seconds.
  public func certificateLife() throws(DescriptorProblem) -> Int64 {
    let seconds = try milliseconds() / 1000
    guard (60...604_800).contains(seconds) else { throw problem("must be from 1m to 168h") }
    return seconds
  }
}
