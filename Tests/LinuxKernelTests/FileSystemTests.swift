// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import Glibc
import LinuxKernel
import Testing

/// A directory that goes with its test.
final class Scratch {
  let path: String
  init() {
    var template = Array("/tmp/nodeagent-test-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
  }
  deinit { try? FileSystem.removeTree(path) }
}

@Suite struct FileSystemTests {
  let scratch = Scratch()

  @Test func `a replaced file is whole, and no temporary file stays`() throws {
    let path = "\(scratch.path)/a"
    try FileSystem.replace(path, with: Array("one".utf8), mode: 0o600)
    try FileSystem.replace(path, with: Array("two".utf8), mode: 0o600, durable: true)
    #expect(try FileSystem.readText(path) == "two")
    #expect(try FileSystem.names(in: scratch.path) == ["a"])
  }

  @Test func `reading stops at its limit`() throws {
    let path = "\(scratch.path)/big"
    try FileSystem.replace(path, with: [UInt8](repeating: 65, count: 5000), mode: 0o600)
    let error = #expect(throws: SyscallError.self) { try FileSystem.read(path, limit: 4999) }
    #expect(error?.errno == EFBIG)
    #expect(try FileSystem.read(path, limit: 5000).count == 5000)
  }

  @Test(arguments: ["../escape", "link/file", "/etc/passwd", "a/../../escape"])
  func `resolution beneath a directory does not leave it`(path: String) throws {
    symlink("/etc", "\(scratch.path)/link")
    mkdir("\(scratch.path)/a", 0o755)
    let directory = try FileSystem.open(scratch.path, flags: O_RDONLY | O_DIRECTORY)
    #expect(throws: SyscallError.self) {
      _ = try FileSystem.open(
        path, beneath: directory.raw, flags: O_RDONLY, resolve: [.beneath, .noSymlinks, .noMagicLinks])
    }
  }

  @Test func `a tree is removed without following its links, however deep`() throws {
    let outside = Scratch()
    try FileSystem.replace("\(outside.path)/keep", with: [1], mode: 0o600)
    let top = "\(scratch.path)/tree"
    mkdir(top, 0o755)
    symlink(outside.path, "\(top)/link")
    var directory = try FileSystem.open(top, flags: O_RDONLY | O_DIRECTORY)
    for _ in 0..<500 {
      try FileSystem.makeDirectory("d", in: directory.raw, mode: 0o755)
      directory = try FileSystem.open("d", in: directory.raw, flags: O_RDONLY | O_DIRECTORY)
    }
    try FileSystem.removeTree(top)
    #expect(!FileSystem.exists(top))
    #expect(FileSystem.exists("\(outside.path)/keep"))
  }

  @Test func `a lock is held by one`() throws {
    let path = "\(scratch.path)/lock"
    let first = try FileSystem.lock(path)
    #expect(first != nil)
    #expect(try FileSystem.lock(path) == nil)
    withExtendedLifetime(first) {}
  }
}
