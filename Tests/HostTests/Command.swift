// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

/// A program that was run to its end.
struct Command: Sendable, CustomStringConvertible {
  var code: Int32
  var output: String
  var error: String
  var description: String { "code \(code)\nstdout: \(output)\nstderr: \(error)" }

  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// Runs a program; its output goes through files, so that nothing can fill up and hang.
  static func run(_ arguments: [String], input: String = "", environment: [String] = [], seconds: Int32 = 60) throws
    -> Command
  {
    try TestCgroup.settle()
    let files = try (0..<3).map { _ in SharedDescriptor(try unnamed()) }
    try FileSystem.write(Array(input.utf8), to: files[0].raw)
    lseek(files[0].raw, 0, SEEK_SET)
    var request = SpawnRequest(
      .path("/usr/bin/env"), arguments: ["env"] + arguments,
      environment: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"] + environment
    )
    request.descriptors = files.enumerated().map { ($1, Int32($0)) }
    let child = try request.start()
    if let failure = try SpawnFailure.read(from: child.report) {
      throw Failure(description: "\(arguments): \(failure)")
    }
    if try !child.pidfd.waitForEnd(milliseconds: Int32(Double(seconds) * 1000 * Host.patience)) {
      try child.pidfd.signal(SIGKILL)
      _ = try child.pidfd.reap(wait: true)
      throw Failure(
        description:
          "\(arguments) has not ended within \(seconds) s; it said \(try text(files[1])) \(try text(files[2]))")
    }
    let status = try child.pidfd.reap(wait: true)
    return Command(code: status?.shellCode ?? -1, output: try text(files[1]), error: try text(files[2]))
  }

  private static func unnamed() throws -> Descriptor {
    try FileSystem.open("/tmp", flags: O_RDWR | 0o20_200_000, mode: 0o600)  // O_TMPFILE
  }

  private static func text(_ file: SharedDescriptor) throws -> String {
    lseek(file.raw, 0, SEEK_SET)
    return String(decoding: try FileSystem.readAll(file.raw, limit: 64 << 20, object: "output"), as: UTF8.self)
  }
}

/// Expects one part of what a program did, and shows all of it when it is another.
func expect(
  _ command: Command, output: String? = nil, error: String? = nil, code: Int32? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  if let output { #expect(command.output == output, "\(command)", sourceLocation: sourceLocation) }
  if let error { #expect(command.error == error, "\(command)", sourceLocation: sourceLocation) }
  if let code { #expect(command.code == code, "\(command)", sourceLocation: sourceLocation) }
}
