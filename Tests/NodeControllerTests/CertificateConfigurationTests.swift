// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Configuration
import Testing

@testable import NodeController

@Suite struct CertificateConfigurationTests {
  private static let pin = "sha256:\(String(repeating: "0a", count: 32))"

  @Test func `a file with everything is read`() throws {
    let configuration = try CertificateConfiguration.parse(
      """
      authority: https://ca.example.org:9743
      root: \(Self.pin.uppercased().replacing("SHA256", with: "sha256"))
      bootstrap: user-data:http://169.254.169.254
      call-back: tcp://0.0.0.0:9742
      remote: ["tcp://0.0.0.0:9740", "tcp://[::]:9740"]
      """, file: "certificates.yaml")
    #expect(configuration.authority == "https://ca.example.org:9743" && configuration.root == Self.pin)
    #expect(configuration.bootstrap == "user-data:http://169.254.169.254")
    #expect(configuration.callBack == "tcp://0.0.0.0:9742" && configuration.remote.count == 2)
    #expect(try CertificateConfiguration.parse("bootstrap: kernel", file: "f").authority == nil)
  }

  @Test(
    arguments: [
      ("authority: http://ca:1\nbootstrap: kernel", "https://HOST:PORT"),
      ("authority: https://ca:1", "needs bootstrap"),
      ("authority: https://ca:1/\nbootstrap: kernel", "https://HOST:PORT"),
      ("root: sha256:12\nbootstrap: kernel", "64 hexadecimal"),
      ("bootstrap: floppy", "file:PATH"), ("bootstrap: \"dns:\"", "file:PATH"),
      ("bootstrap: \"file:relative\"", "file:PATH"),
      ("bootstrap: \"file:/a b\"", "file:PATH"), ("remote: [\"udp://1.2.3.4:5\"]", "tcp://ADDRESS:PORT"),
      ("remote: tcp://1.2.3.4:5", "list"), ("call-back: 9742", "tcp://ADDRESS:PORT"), ("token: na1.x", "is unknown"),
    ])
  func `what is wrong is said with its line`(text: String, words: String) {
    let problem = #expect(throws: DescriptorProblem.self) {
      try CertificateConfiguration.parse(text, file: "certificates.yaml")
    }
    #expect(problem.map { "\($0)" }?.contains(words) == true, "\(problem.map { "\($0)" } ?? "none")")
    #expect(problem.map { "\($0)" }?.hasPrefix("certificates.yaml:") == true)
  }
}
