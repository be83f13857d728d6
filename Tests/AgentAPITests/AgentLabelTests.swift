// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Testing

@Suite struct AgentLabelTests {
  @Test(arguments: [
    ("web", "web"), ("busybox-httpd", "busybox-httpd"), ("a_b.c", "a-b-c"), ("-x-", "x"), ("..", "unnamed"),
    ("", "unnamed"),
    ("ä1", "1"),
  ])
  func `a name becomes a label of DNS`(name: String, label: String) { #expect(AgentLabel.make(name) == label) }
}
