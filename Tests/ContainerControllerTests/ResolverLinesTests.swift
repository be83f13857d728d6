// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Testing

@testable import ContainerController

@Suite struct ResolverLinesTests {
  @Test(arguments: [
    ("nameserver 192.0.2.1\nsearch a b\noptions ndots:2\n", ["nameserver 192.0.2.1", "search a b", "options ndots:2"]),
    ("# nameserver 192.0.2.1\n;x\n\nnameserver\ndomain x\n", []),
    ("nameserver\t2001:db8::1 # here\n", ["nameserver 2001:db8::1"]),
  ])
  func `servers, search domains and options are read`(text: String, lines: [String]) {
    #expect(ResolverLines.usable(text) == lines)
  }

  @Test func `a container asks the agent, and searches its own domain first`() {
    #expect(
      ResolverLines.led(to: "10.128.0.1", ["nameserver 127.0.0.53", "search example.org", "options ndots:2"]) == [
        "nameserver 10.128.0.1", "search containers.internal example.org", "options ndots:2",
      ])
  }
}
