// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation

/// A directory of its own, in which openssl(1) looks at what was made.
final class OpenSSL: Sendable {
  let directory: String

  init() throws {
    directory = "\(FileManager.default.temporaryDirectory.path)/nodeagent-certificates-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  func write(_ bytes: some Sequence<UInt8>, _ name: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
  }

  func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)")))
  }

  /// What a program says on both outputs, and how it ends.
  @discardableResult
  func run(_ program: String, _ arguments: String...) throws -> (code: Int32, text: String) {
    try Self.run(directory, [program] + arguments)
  }

  /// The same on a thread of its own: what it talks to needs those of the tests.
  func runAside(_ arguments: [String]) async throws -> (code: Int32, text: String) {
    let directory = directory
    return try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try Self.run(directory, arguments) }) }
    }
  }

  private static func run(_ directory: String, _ arguments: [String]) throws -> (code: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}
