// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LaunchPlan
import Testing

@Suite struct IdentityTokenTests {
  private static let secret = String(repeating: "a2", count: 26)

  @Test func `a token survives its text and its key's description`() throws {
    let token = IdentityToken(instance: 27, random: (0..<32).map { UInt8(truncatingIfNeeded: $0 * 37) })
    #expect(IdentityToken(token.text) == token && IdentityToken(keyDescription: token.keyDescription) == token)
    #expect(!"\(token)".contains(token.secret))
  }

  @Test(
    arguments: [
      "", ".", "1", "1.", ".\(secret)", "-1.\(secret)", "100.\(secret)", "1.\(secret)a", "1.\(secret.dropLast())",
      "1.\(secret.uppercased())", "1.\(secret.dropLast())1", "1.\(secret).", "+1.\(secret)", "٣.\(secret)",
      "1./../../../../../../../../../../../../../../../../etc/pass",
    ])
  func `anything else is none`(text: String) {
    #expect(IdentityToken(text) == nil)
    #expect(IdentityToken(keyDescription: "nodeagent:cert:\(text)") == nil)
    #expect(IdentityToken(keyDescription: "nodeagent:\(text)") == nil)
  }

  @Test func `a request survives its encoding, and any bytes are one or are refused`() throws {
    let request = RedeemRequest(uid: 4_000_000_000, token: "1.\(Self.secret)")
    #expect(try RedeemRequest(decoding: request.encoded()) == request)
    for _ in 0..<20_000 {
      var bytes = request.encoded()
      for _ in 0...Int.random(in: 0...4) { bytes[.random(in: 0..<bytes.count)] = .random(in: 0...255) }
      bytes.removeLast(.random(in: 0..<bytes.count))
      _ = try? RedeemRequest(decoding: bytes)
    }
  }
}
