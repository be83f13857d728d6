// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import Testing

@Suite struct InstanceTests {
  @Test(arguments: [
    ("/", "/run/nodeagent/node.sock"), ("/srv/a/", "/srv/a/run/nodeagent/node.sock"),
    ("//srv/./a", "/srv/a/run/nodeagent/node.sock"),
  ])
  func `paths derive from the root`(root: String, socket: String) { #expect(Instance(root: root).nodeSocket == socket) }

  @Test func `two roots share nothing`() {
    #expect(Instance(root: "/a").id != Instance(root: "/b").id)
    #expect(Instance(root: "/a/").id == Instance(root: "/a").id)
    #expect(Instance(root: "/a").id.count == 8)
  }
}

@Suite struct TimestampTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0), ("2026-05-01T09:30:00.123456Z", 1_777_627_800_123_456),
    ("2026-05-01T11:30:00+02:00", 1_777_627_800_000_000), ("2026-05-01 09:30:00.5Z", 1_777_627_800_500_000),
    ("2026-05-01", 1_777_593_600_000_000), ("10m", 400_000_000), ("90s", 910_000_000),
  ])
  func `times are read`(text: String, expected: Int64) {
    #expect(Timestamp.parse(text, now: 1_000_000_000) == expected)
  }

  @Test(arguments: [
    "", "yesterday", "2026-13-01", "2026-05-01T9:30:00Z", "2026-05-01T09:30:00", "2026-05-01T25:00:00Z", "-5m", "m",
    "99999999999999999999s",
  ])
  func `what is no time is refused`(text: String) { #expect(Timestamp.parse(text, now: 0) == nil) }

  @Test(arguments: [0, 1, 999_999, 1_777_627_800_123_456])
  func `a time survives its text`(microseconds: Int64) {
    #expect(Timestamp.parse(Timestamp.text(microseconds: microseconds), now: 0) == microseconds)
  }
}

@Suite struct NameTests {
  @Test(arguments: ["a", "web", "web-1", "A.b_c", String(repeating: "x", count: 63)])
  func `names are taken`(name: String) { #expect(ContainerSpec.problem(withName: name) == nil) }

  @Test(arguments: ["", ".", "..", "-a", "a/b", "a b", "ä", "a\n", "a\0", String(repeating: "x", count: 64)])
  func `other texts are refused`(name: String) { #expect(ContainerSpec.problem(withName: name) != nil) }
}

@Suite struct UserTests {
  /// Forms that other runtimes have taken for another user.
  @Test(arguments: [("1000", 1000, 1000), ("0", 0, 0), ("1000:5", 1000, 5), ("65535:65535", 65535, 65535)])
  func `ids are taken`(text: String, uid: UInt32, gid: UInt32) {
    let user = BundleDescriptor.User(text)
    #expect(user?.uid == uid)
    #expect(user?.gid == gid)
  }

  @Test(arguments: [
    "1000:", ":5", "0x10", "-1", "4294967296", "root", "", ":", "1:2:3", " 1", "1 ", "+1", "65536", "١",
  ])
  func `anything else is refused`(text: String) { #expect(BundleDescriptor.User(text) == nil) }
}
