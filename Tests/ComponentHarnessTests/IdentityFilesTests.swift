// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Synchronization
import Testing

@testable import ComponentHarness

@Suite struct IdentityFilesTests {
  private struct Text: IdentityPayload {
    let text: String
    func read() throws -> LockedBytes {
      try LockedBytes(count: text.utf8.count) { $0.copyBytes(from: text.utf8) }
    }
  }

  private final class Time: Sendable {
    private let nanoseconds = Mutex<UInt64>(1_000_000_000)
    func now() -> UInt64 { nanoseconds.withLock { $0 } }
    func pass(seconds: UInt64) { nanoseconds.withLock { $0 += seconds * 1_000_000_000 } }
  }

  private static func block(_ label: String, _ content: String) -> String {
    "-----BEGIN \(label)-----\n\(content)\n-----END \(label)-----\n"
  }

  private static func identity(_ number: Int, intermediates: Int = 1) -> String {
    block("PRIVATE KEY", "k\(number)") + block("CERTIFICATE", "leaf\(number)")
      + (0..<intermediates).map { block("CERTIFICATE", "between\($0)") }.joined() + block("CERTIFICATE", "root")
  }

  private static func text(_ bytes: LockedBytes) -> String { bytes.withBytes { String(decoding: $0, as: UTF8.self) } }

  @Test(arguments: [0, 1, 2]) func `each file is its part`(intermediates: Int) throws {
    let whole = Self.identity(1, intermediates: intermediates)
    let files = try IdentityFiles(Text(text: whole))
    let chain =
      Self.block("CERTIFICATE", "leaf1")
      + (0..<intermediates).map { Self.block("CERTIFICATE", "between\($0)") }.joined()
    let expected: [IdentityFile: String] = [
      .key: Self.block("PRIVATE KEY", "k1"), .certificate: chain, .authority: Self.block("CERTIFICATE", "root"),
      .everything: whole,
    ]
    for (file, content) in expected {
      #expect(try Self.text(files.open(files.find(file, for: 1), by: 1)) == content)
      #expect(files.status(of: files.find(file, for: 1))?.bytes == content.utf8.count)
    }
  }

  @Test(arguments: ["", "\n", "nothing of the kind", "-----END PRIVATE KEY-----", "-----END X-----\n", "-----END "])
  func `a text of another kind is shown as it is, in parts or none`(text: String) throws {
    let files = try IdentityFiles(Text(text: text))
    for file in IdentityFile.allCases {
      let shown = try Self.text(files.open(files.find(file, for: 1), by: 1))
      #expect(text.contains(shown) || shown.isEmpty)
    }
    #expect(try Self.text(files.open(files.find(.authority, for: 1), by: 1)).isEmpty)
  }

  @Test(arguments: [[IdentityFile.certificate, .key], [.key, .certificate]])
  func `who has opened one of a pair gets the other of the same, for ten seconds`(order: [IdentityFile]) throws {
    let time = Time()
    let files = try IdentityFiles(Text(text: Self.identity(1)), clock: time.now)
    func open(_ file: IdentityFile, by process: Int32) throws -> Int {
      let text = try Self.text(files.open(files.find(file, for: process), by: process))
      return try #require([1, 2, 3].first { text.contains("k\($0)") || text.contains("leaf\($0)") })
    }
    #expect(try open(order[0], by: 7) == 1 && open(order[0], by: 8) == 1 && open(order[0], by: 9) == 1)
    try files.replace(by: Text(text: Self.identity(2)))
    #expect(try open(order[1], by: 7) == 1)
    // The pair is whole: what comes now is the next one.
    #expect(try open(order[0], by: 7) == 2 && open(order[1], by: 7) == 2)
    // Who begins again begins with the present one.
    #expect(try open(order[0], by: 8) == 2 && open(order[1], by: 8) == 2)
    time.pass(seconds: 11)
    #expect(try open(order[1], by: 9) == 2)
    // Others have nothing to wait for.
    #expect(try Self.text(files.open(files.find(.everything, for: 10), by: 10)).contains("leaf2"))
  }

  @Test func `a server that reads all its files anew gets the present ones, in whatever order`() throws {
    let files = try IdentityFiles(Text(text: Self.identity(1)))
    let order: [IdentityFile] = [.certificate, .key, .authority, .authority]
    for file in order { _ = try files.open(files.find(file, for: 7), by: 7) }
    try files.replace(by: Text(text: Self.identity(2)))
    #expect(try Self.text(files.open(files.find(.certificate, for: 7), by: 7)).contains("leaf2"))
    #expect(try Self.text(files.open(files.find(.key, for: 7), by: 7)).contains("k2"))
  }

  @Test func `what was replaced is wiped when nobody is between its files`() throws {
    let time = Time()
    let files = try IdentityFiles(Text(text: Self.identity(1)), clock: time.now)
    #expect(files.patience == nil)
    try files.replace(by: Text(text: Self.identity(2)))
    #expect(files.patience == nil, "nobody had read it")
    _ = try files.open(files.find(.key, for: 7), by: 7)
    try files.replace(by: Text(text: Self.identity(3)))
    let patience = try #require(files.patience)
    #expect((9000...10_001).contains(patience))
    files.forgetPrevious()
    #expect(files.patience != nil)
    time.pass(seconds: 10)
    #expect(files.patience == 0)
    files.forgetPrevious()
    #expect(files.patience == nil)
    #expect(try Self.text(files.open(files.find(.certificate, for: 7), by: 7)).contains("leaf3"))
  }

  @Test func `two renewals in a row leave a reader with the newest`() throws {
    let time = Time()
    let files = try IdentityFiles(Text(text: Self.identity(1)), clock: time.now)
    _ = try files.open(files.find(.key, for: 7), by: 7)
    for number in 2...3 { try files.replace(by: Text(text: Self.identity(number))) }
    #expect(try Self.text(files.open(files.find(.certificate, for: 7), by: 7)).contains("leaf3"))
  }

  @Test func `only so many are open at once, and many readers are no burden`() throws {
    let files = try IdentityFiles(Text(text: Self.identity(1)))
    for process in 0..<Int32(IdentityFiles.mostOpened) {
      _ = try files.open(files.find(.authority, for: process), by: process)
    }
    let refused = #expect(throws: SyscallError.self) { try files.open(files.find(.key, for: 1), by: 1) }
    #expect(refused?.errno == ENFILE)
    files.closed()
    #expect(try Self.text(files.open(files.find(.key, for: 100_000), by: 100_000)).contains("k1"))
  }
}
