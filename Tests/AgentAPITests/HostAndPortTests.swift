// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Testing

@Suite struct HostAndPortTests {
  @Test(arguments: [
    ("node1.example.org:9740", "node1.example.org", 9740), ("10.0.0.1:1", "10.0.0.1", 1), ("[::1]:65535", "::1", 65535),
    ("[fe80::1%eth0]:80", "fe80::1%eth0", 80), ("host", "host", 7), ("[::1]", "::1", 7), ("::1", "::1", 7),
  ])
  func `what people write is read`(text: String, host: String, port: UInt16) throws {
    let read = try #require(HostAndPort(text, usual: 7))
    #expect(read.host == host && read.port == port)
  }

  @Test(arguments: [
    "", ":", ":80", "host:", "host:0", "host:65536", "host:-1", "host:80x", "[::1", "[]:80", "[::1]80", "[::1]:",
    "a b:80",
    "http://a:80", "a/b:80",
  ])
  func `anything else is not`(text: String) { #expect(HostAndPort(text, usual: 7) == nil) }

  @Test(arguments: ["host", "::1", "[::1]"]) func `without a usual port there has to be one`(text: String) {
    #expect(HostAndPort(text) == nil)
  }
}
