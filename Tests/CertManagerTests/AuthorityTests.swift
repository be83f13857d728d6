// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import SwiftASN1
import Testing
import X509

@testable import CertManager

/// What the authority makes, as openssl(1) and Python's `cryptography` see it.
@Suite struct AuthorityTests {
  private static let identity = AgentIdentity(
    application: "shop", subsystem: "container-controller", agent: "6f1c9a52-0b7e-4c1d-9a51-2f7f6f0f3a11",
    node: "node1.example.org",
    endpoints: ["nodeagent+tls://6f1c9a52-0b7e-4c1d-9a51-2f7f6f0f3a11.node1.example.org:9744"])
  private static let capabilities = AgentCapabilities(spawn: ["component"], roles: ["observer", "admin"])

  private static func write(_ openssl: OpenSSL, _ authority: CertificateAuthority, _ certificate: Certificate) throws {
    for (name, one) in [("root", authority.root), ("intermediate", authority.intermediate), ("agent", certificate)] {
      try openssl.write(Array(try AuthorityStore.pem(one).utf8), "\(name).pem")
    }
    try openssl.write(
      Array((try AuthorityStore.pem(authority.root) + AuthorityStore.pem(authority.intermediate)).utf8), "chain.pem")
  }

  @Test(arguments: KeyKind.allCases, KeyKind.allCases)
  func `openssl accepts certificates, and shows what they say`(kind: KeyKind, agentKind: KeyKind) throws {
    let (authority, _) = try CertificateAuthority.make(
      application: "shop", kind: kind, url: "http://ca.example.org:9743")
    let certificate = try authority.issue(
      Self.identity, Self.capabilities, key: try agentKind.generate().publicKey)
    let openssl = try OpenSSL()
    try Self.write(openssl, authority, certificate)
    for purpose in ["sslclient", "sslserver"] {
      let verified = try openssl.run(
        "openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "root.pem", "-untrusted",
        "intermediate.pem",
        "agent.pem")
      #expect(verified.code == 0, "\(verified)")
    }
    let shown = try openssl.run("openssl", "x509", "-in", "agent.pem", "-noout", "-text", "-nameopt", "RFC2253").text
    for words in [
      "UID=6f1c9a52-0b7e-4c1d-9a51-2f7f6f0f3a11", "OU=node1.example.org", "O=container-controller", "DC=shop",
      "DNS:6f1c9a52-0b7e-4c1d-9a51-2f7f6f0f3a11.node1.example.org", "URI:nodeagent+tls://",
      "TLS Web Server Authentication, TLS Web Client Authentication", "OCSP - URI:http://ca.example.org:9743/ocsp",
      "URI:http://ca.example.org:9743/crl", "CA:FALSE",
    ] {
      #expect(shown.contains(words), "\(words): \(shown)")
    }
    #expect(AgentIdentity(certificate) == Self.identity)
    #expect(try AgentCapabilities(certificate) == Self.capabilities.canonical)
  }

  @Test func `what is no identity is not certified`() throws {
    let (authority, _) = try CertificateAuthority.make(application: "shop")
    let key = try KeyKind.p256.generate().publicKey
    var broken: [AgentIdentity] = []
    for change in [
      { $0.agent = "" }, { $0.agent = "a.b" }, { $0.node = "a..b" }, { $0.node = "" }, { $0.subsystem = "x\u{0}" },
      { $0.application = "-x" }, { $0.endpoints = ["no uri"] }, { $0.endpoints = Array(repeating: "a://b", count: 33) },
      { $0.subsystem = String(repeating: "x", count: 64) },
    ] as [(inout AgentIdentity) -> Void] {
      var identity = Self.identity
      change(&identity)
      broken.append(identity)
    }
    for identity in broken {
      #expect(throws: CertificateProblem.self) { try authority.issue(identity, Self.capabilities, key: key) }
    }
    for life in [0.0, 59, 8 * 86400] as [TimeInterval] {
      #expect(throws: CertificateProblem.self) {
        try authority.issue(Self.identity, Self.capabilities, key: key, life: life)
      }
    }
  }

  @Test(arguments: KeyKind.allCases) func `openssl accepts the list, and refuses who is on it`(kind: KeyKind) throws {
    let (authority, _) = try CertificateAuthority.make(application: "shop", kind: kind)
    let certificate = try authority.issue(Self.identity, Self.capabilities, key: try kind.generate().publicKey)
    let openssl = try OpenSSL()
    try Self.write(openssl, authority, certificate)
    func verify(_ revoked: [Revocation]) throws -> (code: Int32, text: String) {
      try openssl.write(try authority.revocationList(revoked, number: 7), "list.der")
      let shown = try openssl.run(
        "openssl", "crl", "-inform", "DER", "-in", "list.der", "-CAfile", "chain.pem", "-text", "-out", "list.pem")
      #expect(shown.code == 0 && shown.text.contains("verify OK"), "\(shown)")
      let text = try openssl.run("openssl", "crl", "-in", "list.pem", "-noout", "-text", "-crlnumber").text
      #expect(text.contains("crlNumber=0x07") || text.contains("crlNumber=07"), "\(text)")
      return try openssl.run(
        "openssl", "verify", "-crl_check", "-CRLfile", "list.pem", "-CAfile", "root.pem", "-untrusted",
        "intermediate.pem", "agent.pem")
    }
    let good = try verify([])
    #expect(good.code == 0, "\(good)")
    let revoked = try verify([
      .init(serial: certificate.serialNumber, date: Date(), reason: .keyCompromise),
      .init(serial: .init(bytes: [1, 2, 3] as [UInt8]), date: Date() - 100, reason: .unspecified),
    ])
    #expect(revoked.code != 0 && revoked.text.contains("certificate revoked"), "\(revoked)")
  }

  @Test(arguments: KeyKind.allCases, ["-sha1", "-sha256"])
  func `openssl believes the answers about single certificates`(kind: KeyKind, hash: String) throws {
    let (authority, _) = try CertificateAuthority.make(application: "shop", kind: kind)
    let certificate = try authority.issue(Self.identity, Self.capabilities, key: try kind.generate().publicKey)
    let openssl = try OpenSSL()
    try Self.write(openssl, authority, certificate)
    let (other, _) = try CertificateAuthority.make(application: "other", kind: kind)
    try openssl.write(Array(try AuthorityStore.pem(other.intermediate).utf8), "other.pem")
    func ask(_ issuer: String, _ state: CertificateAuthority.CertificateState) throws -> String {
      let made = try openssl.run(
        "openssl", "ocsp", hash, "-issuer", issuer, "-cert", "agent.pem", "-no_nonce", "-reqout", "request.der")
      #expect(made.code == 0, "\(made)")
      let answer = authority.ocspAnswer(to: try openssl.read("request.der")) { serial in
        #expect(serial == certificate.serialNumber)
        return state
      }
      try openssl.write(answer, "answer.der")
      return try openssl.run(
        "openssl", "ocsp", hash, "-issuer", issuer, "-cert", "agent.pem", "-no_nonce", "-respin", "answer.der",
        "-CAfile",
        "chain.pem"
      ).text
    }
    let good = try ask("intermediate.pem", .good)
    #expect(good.contains("Response verify OK") && good.contains("agent.pem: good"), "\(good)")
    let revoked = try ask("intermediate.pem", .revoked(Date(), .superseded))
    #expect(
      revoked.contains("Response verify OK") && revoked.contains("agent.pem: revoked")
        && revoked.contains("superseded"), "\(revoked)")
    #expect(try ask("intermediate.pem", .unknown).contains("agent.pem: unknown"))
    // Somebody else's certificate is none that is known here.
    #expect(try ask("other.pem", .good).contains("agent.pem: unknown"))
  }

  @Test func `no bytes bring the responder down`() throws {
    let (authority, _) = try CertificateAuthority.make(application: "shop")
    let certificate = try authority.issue(Self.identity, Self.capabilities, key: try KeyKind.p256.generate().publicKey)
    let openssl = try OpenSSL()
    try Self.write(openssl, authority, certificate)
    try openssl.run("openssl", "ocsp", "-issuer", "intermediate.pem", "-cert", "agent.pem", "-reqout", "request.der")
    let request = try openssl.read("request.der")
    #expect(authority.ocspAnswer(to: []) { _ in .good } == [0x30, 3, 0x0a, 1, 1])
    for round in 0..<20_000 {
      var bytes = request
      for _ in 0...(round % 5) { bytes[Int.random(in: bytes.indices)] = .random(in: 0 ... .max) }
      if round % 3 == 0 { bytes.removeLast(.random(in: 0..<bytes.count)) }
      #expect(!authority.ocspAnswer(to: bytes) { _ in .good }.isEmpty)
    }
  }

  @Test func `python's cryptography reads all of it`() throws {
    let openssl = try OpenSSL()
    guard try openssl.run("python3", "-c", "import cryptography").code == 0 else {
      print("skipped: python3-cryptography is not installed")
      return
    }
    let (authority, _) = try CertificateAuthority.make(application: "shop", url: "http://ca.example.org:9743")
    let certificate = try authority.issue(Self.identity, Self.capabilities, key: try KeyKind.p256.generate().publicKey)
    try Self.write(openssl, authority, certificate)
    try openssl.write(
      try authority.revocationList(
        [.init(serial: certificate.serialNumber, date: Date(), reason: .cessationOfOperation)], number: 1), "list.der")
    let result = try openssl.run(
      "python3", "-c",
      """
      from cryptography import x509
      agent, issuer = (x509.load_pem_x509_certificate(open(n, "rb").read()) for n in ("agent.pem", "intermediate.pem"))
      agent.verify_directly_issued_by(issuer)
      for one in (agent, issuer): list(one.extensions)
      crl = x509.load_der_x509_crl(open("list.der", "rb").read())
      assert crl.is_signature_valid(issuer.public_key())
      found = crl.get_revoked_certificate_by_serial_number(agent.serial_number)
      assert found.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.cessation_of_operation
      names = agent.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
      print(names.get_values_for_type(x509.DNSName)[0])
      """)
    #expect(result.text == "\(Self.identity.dnsName)\n", "\(result)")
  }

  @Test(arguments: [0, 951_782_399, 951_782_400, 1_709_210_096, 2_524_607_999, 2_524_608_000, 4_102_444_799])
  func `moments are written as the calendar has them`(seconds: Int) {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(secondsFromGMT: 0) ?? .current
    let date = Date(timeIntervalSince1970: TimeInterval(seconds))
    let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
    let (day, clock) = CertificateAuthority.civil(date)
    #expect([day.year, day.month, day.day] == [parts.year, parts.month, parts.day])
    #expect([clock.hours, clock.minutes, clock.seconds] == [parts.hour, parts.minute, parts.second])
  }
}

@Suite struct AgentCapabilitiesTests {
  @Test func `they survive their encoding, sorted`() throws {
    var coder = DER.Serializer()
    try coder.serialize(AgentCapabilities(spawn: ["b", "a", "b"], roles: ["r"]).canonical)
    #expect(try AgentCapabilities(derEncoded: coder.serializedBytes) == .init(spawn: ["a", "b"], roles: ["r"]))
  }

  @Test func `no bytes bring the reader down`() throws {
    var coder = DER.Serializer()
    try coder.serialize(AgentCapabilities(spawn: ["component", "container"], roles: ["admin"]))
    for _ in 0..<20_000 {
      var bytes = coder.serializedBytes
      bytes[Int.random(in: bytes.indices)] = .random(in: 0 ... .max)
      bytes.removeLast(.random(in: 0..<2))
      _ = try? AgentCapabilities(derEncoded: bytes)
    }
    #expect(throws: (any Error).self) { try AgentCapabilities(derEncoded: [0x30, 3, 2, 1, 1]) }
  }
}
