// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

@testable import CertManager

@Suite struct KeyUpcallTests {
  @Test(arguments: [
    (KeyUpcall.line(harness: "/x/nodeagent-harness"), "/x/nodeagent-harness"),
    (
      "# of the package\ncreate user nodeagent:cert:* * /usr/lib/nodeagent/nodeagent-harness request-key %k %u\n",
      "/usr/lib/nodeagent/nodeagent-harness"
    ),
    ("", nil), ("create user other:* * /sbin/other %k\n", nil), ("# create user a b /c request-key %k %u\n", nil),
  ])
  func `the program is the one that the configuration names`(text: String, program: String?) {
    #expect(KeyUpcall.named(in: text) == program)
  }

  @Test func `a program that somebody else can replace is not root's alone`() throws {
    #expect(try KeyUpcall.isRootsAlone("/usr/bin/env") || getuid() != 0 || FileSystem.status(of: "/usr").uid != 0)
    var template = Array("/tmp/nodeagent-upcall-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { try? FileSystem.removeTree(directory) }
    let program = "\(directory)/program"
    try FileSystem.replace(program, with: [1], mode: 0o755)
    // Sticky directories are safe; others that all can write are not.
    #expect(try KeyUpcall.isRootsAlone(program) == (getuid() == 0))
    for (path, mode) in [(program, mode_t(0o777)), (program, 0o775), (directory, 0o777)] {
      let before = try FileSystem.status(of: path).mode
      #expect(chmod(path, mode) == 0)
      #expect(try !KeyUpcall.isRootsAlone(program))
      #expect(chmod(path, mode_t(before & 0o7777)) == 0)
    }
    #expect(try KeyUpcall.isRootsAlone(program) == (getuid() == 0))
    #expect(throws: SyscallError.self) { try KeyUpcall.isRootsAlone("\(directory)/missing") }
  }
}
