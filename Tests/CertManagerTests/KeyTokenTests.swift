// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import Synchronization
import Testing
import X509

@testable import CertManager

/// A token that is one as far as PKCS #11 goes.
private enum SoftHSM {
  static let module = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]
    .first { FileManager.default.fileExists(atPath: $0) }
}

/// An authority whose keys are in a token.
@Suite(.enabled(if: SoftHSM.module != nil, "needs softhsm2"), .serialized) struct KeyTokenTests {
  private static let directory = Mutex<String?>(nil)

  /// A new token in a directory of its own; SoftHSM finds it by its configuration, which is the process's.
  private static let site: Result<OpenSSL, any Error> = Result {
    let files = try OpenSSL()
    // It is for all tests of the process, and so nobody's to end.
    Self.directory.withLock { $0 = files.directory }
    atexit {
      KeyTokenTests.directory.withLock { if let path = $0 { try? FileManager.default.removeItem(atPath: path) } }
    }
    try files.write(Array("directories.tokendir = \(files.directory)\nlog.level = ERROR\n".utf8), "softhsm2.conf")
    try files.write(Array("1234\n".utf8), "pin")
    setenv("SOFTHSM2_CONF", "\(files.directory)/softhsm2.conf", 1)
    let made = try files.run(
      "softhsm2-util", "--init-token", "--free", "--label", "shop", "--pin", "1234", "--so-pin", "5678")
    guard made.code == 0 else { throw CertificateProblem.unusable(made.text) }
    return files
  }

  private static func uri(_ files: OpenSSL, token: String = "shop", pin: String = "pin") -> String {
    "pkcs11:token=\(token)?module-path=\(SoftHSM.module ?? "")&pin-source=file:\(files.directory)/\(pin)"
  }

  @Test func `keys are made in the token, sign there, and are nowhere else`() throws {
    let files = try Self.site.get()
    let directory = "\(files.directory)/ca-\(UUID().uuidString)"
    let application = "shop\(UInt32.random(in: 0 ... .max))"
    let made = try AuthorityStore.make(
      directory, application: application, kind: .p256, url: "http://ca.example:80", credential: nil,
      token: Self.uri(files))
    let names = try FileManager.default.contentsOfDirectory(atPath: directory)
    #expect(!names.contains("root.key") && !names.contains("intermediate.key") && names.contains("root.pem"))
    // As after a restart.
    let store = try AuthorityStore(directory, credential: nil)
    let key = try KeyKind.p256.generate()
    let certificate = try store.authority.issue(
      AgentIdentity(application: application, subsystem: "web", agent: "a", node: "n.example"), .init(),
      key: key.publicKey)
    try store.ledger.record(
      certificate, try #require(AgentIdentity(certificate)), .init(), event: "issued")
    try files.write(Array(try AuthorityStore.pem(made.authority.root).utf8), "token-root.pem")
    try files.write(Array(try AuthorityStore.pem(made.authority.intermediate).utf8), "token-intermediate.pem")
    try files.write(Array(try AuthorityStore.pem(certificate).utf8), "token-leaf.pem")
    let verified = try files.run(
      "openssl", "verify", "-x509_strict", "-CAfile", "token-root.pem", "-untrusted", "token-intermediate.pem",
      "token-leaf.pem")
    #expect(verified.code == 0, "\(verified)")
    try files.write(try store.revocationList(), "token.crl")
    let list = try files.run(
      "openssl", "crl", "-inform", "DER", "-in", "token.crl", "-CAfile", "token-intermediate.pem", "-noout")
    #expect(list.text.contains("verify OK"), "\(list)")
    // The next intermediate's key is made there, too, and the one before it is taken away when its time has come.
    let next = try store.makeNextIntermediate()
    #expect(next.publicKey != made.authority.intermediate.publicKey)
    #expect(try AuthorityStore(directory, credential: nil).authority.intermediate == next)
    let token = try KeyToken(Self.uri(files))
    #expect(throws: Never.self) { try token.key("\(application) intermediate") }
    try store.forgetRetired(now: Date() + 8 * 86400)
    #expect(throws: CertificateProblem.self) { try token.key("\(application) intermediate") }
    #expect(throws: Never.self) { try token.key("\(application) intermediate 2") }
    // A second authority of the name would take the first one's keys.
    #expect(throws: CertificateProblem.self) {
      try AuthorityStore.make(
        "\(directory)-2", application: application, kind: .p256, url: nil, credential: nil, token: Self.uri(files))
    }
  }

  @Test(
    arguments: [
      ("nonsense", "no PKCS #11 URI"), ("pkcs11:token=shop", "needs module-path"),
      ("pkcs11:token=shop?module-path=/nowhere.so", "cannot be used"), ("TOKEN", "matches no token"),
      ("PIN", "refuses the PIN"),
      ("NOPIN", "no pin-source"),
    ])
  func `what is wrong with a token is said`(kind: String, words: String) throws {
    let files = try Self.site.get()
    try files.write(Array("4321\n".utf8), "wrong")
    let uri =
      switch kind {
      case "TOKEN": Self.uri(files, token: "other")
      case "PIN": Self.uri(files, pin: "wrong")
      case "NOPIN": "pkcs11:token=shop?module-path=\(SoftHSM.module ?? "")"
      default: kind
      }
    let problem = #expect(throws: CertificateProblem.self) { try KeyToken(uri) }
    #expect(problem?.description.contains(words) == true, "\(String(describing: problem))")
  }
}
