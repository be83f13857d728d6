// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import Logging
import Testing
import X509

@testable import CertManager

/// The authority over HTTPS and HTTP, as curl(1) and openssl(1) use it.
@Suite struct AuthorityServerTests {
  private struct Site {
    let files: OpenSSL
    let store: AuthorityStore
    let server: AuthorityServer
    let port: Int
    let plain: Int

    init() async throws {
      files = try OpenSSL()
      store = try AuthorityStore.make(
        "\(files.directory)/ca", application: "shop", kind: .p256, url: nil, credential: nil)
      server = AuthorityServer(store: store, logger: Logger(label: "test"))
      port = try await server.start("127.0.0.1", port: 0, host: "127.0.0.1")
      plain = try await server.startPlain("127.0.0.1", port: 0)
      try files.write(Array(try AuthorityStore.pem(store.authority.root).utf8), "root.pem")
      try files.write(
        Array(
          (try AuthorityStore.pem(store.authority.root) + AuthorityStore.pem(store.authority.intermediate)).utf8),
        "chain.pem")
    }

    func token(life: TimeInterval = 60) throws -> String {
      try store.ledger.makeToken(
        TokenGrant(node: "node1.example.org", subsystem: "node-controller", capabilities: .init(roles: ["admin"])),
        life: life
      ).text
    }

    /// Makes a key and a request, and posts that; what comes back is in `answer`.
    func post(
      _ path: String, _ arguments: [String] = [], body: [String: String] = [:], secure: Bool = true
    ) async throws -> (status: String, text: String) {
      if body.isEmpty {
        let made = try await files.runAside([
          "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
          "-keyout", "next.key", "-out", "request.pem",
        ])
        #expect(made.code == 0, "\(made)")
      }
      let wanted = body.isEmpty ? ["csr": String(decoding: try files.read("request.pem"), as: UTF8.self)] : body
      try files.write(try JSONEncoder().encode(wanted), "body")
      let url = secure ? "https://127.0.0.1:\(port)\(path)" : "http://127.0.0.1:\(plain)\(path)"
      let result = try await files.runAside(
        [
          "curl", "-s", "--max-time", "20", "--cacert", "root.pem", "-o", "answer", "-w", "%{http_code}",
          "--data-binary",
          "@body",
        ] + arguments + [url])
      let text = (try? files.read("answer")).map { String(decoding: $0, as: UTF8.self) } ?? ""
      return (result.text, text)
    }

    /// Takes the certificate out of an answer, with its chain.
    func keep(_ text: String) throws -> Certificate {
      struct Signed: Decodable {
        var certificate: String
        var chain: [String]
      }
      let signed = try JSONDecoder().decode(Signed.self, from: Data(text.utf8))
      try files.write(Array((signed.certificate + signed.chain.joined()).utf8), "agent.pem")
      try files.write(try files.read("next.key"), "agent.key")
      return try Certificate(pemEncoded: signed.certificate)
    }
  }

  private static let own = ["--cert", "agent.pem", "--key", "agent.key"]

  @Test func `an agent gets its certificate with a token, and the next with that`() async throws {
    let site = try await Site()
    let token = try site.token()
    let bearer = ["-H", "Authorization: Bearer \(token)"]
    let plain = try await site.post("/sign", bearer, secure: false)
    #expect(plain.status == "403" && plain.text.contains("over TLS alone"), "\(plain)")
    let none = try await site.post("/sign")
    #expect(none.status == "401" && none.text.contains("Authorization"), "\(none)")
    let broken = try await site.post("/sign", bearer, body: ["csr": "nonsense"])
    #expect(broken.status == "403" && broken.text.contains("no certificate signing request"), "\(broken)")
    let noJSON = try await site.post("/sign", bearer, body: ["x": "y"])
    #expect(noJSON.status == "400" && noJSON.text.contains("JSON with csr"), "\(noJSON)")
    let signed = try await site.post("/sign", bearer)
    #expect(signed.status == "200", "\(signed)")
    let first = try site.keep(signed.text)
    #expect(AgentIdentity(first)?.node == "node1.example.org")
    let twice = try await site.post("/sign", bearer)
    #expect(twice.status == "403" && twice.text.contains("used already"), "\(twice)")
    // A renewal is for the same agent, and a new key.
    let unknown = try await site.post("/renew")
    #expect(unknown.status == "401", "\(unknown)")
    let renewed = try await site.post("/renew", Self.own)
    #expect(renewed.status == "200", "\(renewed)")
    let second = try site.keep(renewed.text)
    #expect(AgentIdentity(second) == AgentIdentity(first) && second.publicKey != first.publicKey)
    #expect(try AgentCapabilities(second)?.roles == ["admin"])
    let serial = Ledger.hexadecimal(second.serialNumber)
    #expect(try site.store.ledger.revoke(serial: serial, .keyCompromise))
    let refused = try await site.post("/renew", Self.own)
    #expect(refused.status == "403" && refused.text.contains("revoked"), "\(refused)")
    // Somebody else's certificate is refused by TLS itself.
    let stranger = try await site.files.runAside([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
      "-keyout", "agent.key", "-out", "agent.pem",
    ])
    #expect(stranger.code == 0)
    #expect(try await site.post("/renew", Self.own).status == "000")
    guard case .intact = try site.store.ledger.verifyAudit() else {
      Issue.record("the log is broken")
      return
    }
    await site.server.stop()
  }

  @Test func `the list and the answers are served to everybody`() async throws {
    let site = try await Site()
    let signed = try await site.post("/sign", ["-H", "Authorization: Bearer \(try site.token())"])
    let certificate = try site.keep(signed.text)
    func status() async throws -> String {
      try await site.files.runAside([
        "openssl", "ocsp", "-issuer", "chain.pem", "-issuer", "ca/intermediate.pem", "-cert", "agent.pem", "-url",
        "http://127.0.0.1:\(site.plain)/ocsp", "-CAfile", "chain.pem",
      ]).text
    }
    let good = try await status()
    #expect(good.contains("Response verify OK") && good.contains("agent.pem: good"), "\(good)")
    #expect(try site.store.ledger.revoke(serial: Ledger.hexadecimal(certificate.serialNumber), .superseded))
    let revoked = try await status()
    #expect(revoked.contains("agent.pem: revoked") && revoked.contains("superseded"), "\(revoked)")
    for (path, words) in [("crl", "Serial Number"), ("intermediate.der", "")] {
      let url = "http://127.0.0.1:\(site.plain)/\(path)"
      #expect(try await site.files.runAside(["curl", "-s", "-f", "-o", "got", url]).code == 0)
      let tool = path == "crl" ? "crl" : "x509"
      let shown = try await site.files.runAside(["openssl", tool, "-inform", "DER", "-in", "got", "-noout", "-text"])
      #expect(shown.code == 0 && (words.isEmpty || shown.text.contains(words)), "\(shown)")
    }
    let encoded = try await site.files.runAside([
      "sh", "-c",
      """
      openssl ocsp -issuer ca/intermediate.pem -cert agent.pem -no_nonce -reqout question >/dev/null 2>&1
      curl -s -f -o reply "http://127.0.0.1:\(site.plain)/ocsp/$(base64 -w0 question | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')"
      openssl ocsp -respin reply -issuer ca/intermediate.pem -cert agent.pem -CAfile chain.pem
      """,
    ])
    #expect(encoded.text.contains("agent.pem: revoked"), "\(encoded)")
    for (path, code) in [("nothing", "404"), ("sign", "405"), ("ocsp", "405"), ("ocsp/%%%", "400")] {
      let got = try await site.files.runAside([
        "curl", "-s", "-o", "got", "-w", "%{http_code}", "http://127.0.0.1:\(site.plain)/\(path)",
      ])
      #expect(got.text == code, "\(path): \(got)")
    }
    await site.server.stop()
  }
}
