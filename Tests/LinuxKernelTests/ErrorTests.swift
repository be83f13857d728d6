// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

@Suite struct SyscallErrorTests {
  @Test(arguments: [
    (ENOENT, "No such file or directory (ENOENT)"), (EPERM, "Operation not permitted (EPERM)"), (99999, "error 99999"),
  ])
  func `an errno is told in words`(errno: Int32, words: String) { #expect(SyscallError.words(for: errno) == words) }

  @Test func `an error names call, object and reason`() {
    let error = #expect(throws: SyscallError.self) { _ = try FileSystem.open("/nonexistent/x", flags: O_RDONLY) }
    #expect(error?.description == "openat on /nonexistent/x: No such file or directory (ENOENT)")
  }
}
