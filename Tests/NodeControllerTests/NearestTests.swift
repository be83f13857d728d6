// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Configuration
import Testing

@Suite struct NearestTests {
  @Test(
    arguments: [
      ("stoarge", "storage"), ("storage", "storage"), ("web1", "web"), ("x", nil), ("completely", nil), ("", nil),
    ] as [(String, String?)])
  func `what may have been meant`(name: String, meant: String?) {
    #expect(Nearest.match(name, in: ["storage", "web", "database"]) == meant)
  }
}
