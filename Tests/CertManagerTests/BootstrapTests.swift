// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import Testing
import X509

@testable import CertManager

@Suite struct BootstrapTests {
  @Test(
    arguments: [
      ("TOKEN", true), ("TOKEN\n", true), ("BOOT_IMAGE=/vmlinuz ro nodeagent.token=TOKEN quiet\n", true),
      ("#!/bin/sh\n# nodeagent.token=TOKEN\necho", true),
      ("\"nodeagent.token=TOKEN\" \"nodeagent.root=sha256:00\"", true),
      ("", false), ("nodeagent.tokens=TOKEN", false), ("xTOKEN", false),
    ])
  func `a token is found in what clouds, kernels and files have`(text: String, isThere: Bool) throws {
    let token = BootstrapToken()
    let data = try BootstrapData(text.replacingOccurrences(of: "TOKEN", with: token.text))
    #expect(data.token?.text == (isThere ? token.text : nil))
  }

  @Test func `where the authority is stands beside it`() throws {
    let data = try BootstrapData(
      "nodeagent.authority=https://a:1 nodeagent.root=sha256:ab nodeagent.token=\(BootstrapToken().text)")
    #expect(data.authority == "https://a:1" && data.root == "sha256:ab")
    #expect(throws: CertificateProblem.self) { try BootstrapData("nodeagent.token=short") }
  }

  @Test(
    arguments: [
      ("kernel", true), ("user-data", true), ("user-data:http://10.0.0.1", true), ("file:/etc/token", true),
      ("dns:x.example", true), ("dns:x@10.0.0.1", true),
      ("dns:x@10.0.0.1:5353", true), ("dns:x@host", false), ("dns:x@::1", false), ("dns:@10.0.0.1", false),
      ("dns:a@b@c", false), ("file:token", false), ("file", false), ("user-data:ftp://x", false), ("", false),
    ])
  func `sources are told apart`(text: String, isOne: Bool) { #expect((BootstrapSource(text) != nil) == isOne) }

  @Test func `user data is fetched with a session token, or without where there is none`() async throws {
    let token = BootstrapToken()
    for takesTokens in [true, false] {
      let server = try await MetadataStub(text: "nodeagent.token=\(token.text)", takesTokens: takesTokens)
      let data = try await BootstrapSource.userData(endpoint: server.url).read()
      #expect(data.token?.text == token.text)
      await server.stop()
    }
    await #expect(throws: (any Error).self) { try await BootstrapSource.file("/nowhere/token").read() }
  }

  @Test func `TXT records are looked up, with strings of any number`() async throws {
    let token = BootstrapToken()
    let long = "nodeagent.root=sha256:\(String(repeating: "ab", count: 32)) \(String(repeating: "x", count: 200))"
    let server = try DNSStub([
      "node1.boot.example": [
        ["v=spf1 -all"], ["nodeagent.tok", "en=\(token.text)"],
        [String(long.prefix(250)), String(long.dropFirst(250))],
      ],
      "none.boot.example": [],
    ])
    defer { server.stop() }
    func read(_ name: String) async throws -> BootstrapData {
      try await #require(BootstrapSource("dns:\(name)@127.0.0.1:\(server.port)")).read()
    }
    let data = try await read("node1.boot.example")
    #expect(data.token?.text == token.text && data.root?.utf8.count == 71)
    let problem = await #expect(throws: CertificateProblem.self) { try await read("none.boot.example") }
    #expect("\(try #require(problem))".contains("127.0.0.1 does not know"))
    // What a resolver says is anybody's word: no bytes do harm.
    server.damages = true
    for _ in 0..<50 { _ = try? await read("node1.boot.example") }
  }
}

@Suite struct VerifiedListTests {
  @Test func `a list is believed when the intermediate has signed it`() throws {
    for kind in KeyKind.allCases {
      let (authority, _) = try CertificateAuthority.make(application: "shop", kind: kind)
      let (other, _) = try CertificateAuthority.make(application: "shop", kind: kind)
      let revoked = Certificate.SerialNumber(bytes: [0x41, 2, 3])
      let now = Date()
      let bytes = try authority.revocationList(
        [.init(serial: revoked, date: now, reason: .keyCompromise)], number: 7, now: now)
      let list = try VerifiedList(bytes, issuer: authority.intermediate)
      #expect(list.contains(revoked) && !list.contains(Certificate.SerialNumber(bytes: [0x41, 2, 4])))
      #expect(abs(list.nextUpdate.timeIntervalSince(now) - 3600) < 2)
      #expect(
        try VerifiedList(try authority.revocationList([], number: 8), issuer: authority.intermediate).revoked.isEmpty)
      #expect(throws: CertificateProblem.self) { try VerifiedList(bytes, issuer: other.intermediate) }
    }
  }

  @Test func `any bytes are a list, or refused`() throws {
    let (authority, _) = try CertificateAuthority.make(application: "shop")
    let good = try authority.revocationList([], number: 1)
    for _ in 0..<5000 {
      var bytes = good
      for _ in 0...Int.random(in: 0...3) { bytes[.random(in: 0..<bytes.count)] = .random(in: 0...255) }
      bytes.removeLast(.random(in: 0..<8))
      guard bytes != good else { continue }
      #expect(throws: (any Error).self) { try VerifiedList(bytes, issuer: authority.intermediate) }
    }
  }
}
