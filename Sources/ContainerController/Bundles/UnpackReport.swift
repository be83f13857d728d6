// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What the unpacking process says, one JSON object a line.
struct UnpackReport: Codable, Sendable {
  /// Bytes of the archive read so far.
  var progress: UInt64?
  var failure: String?
  var done: Result?

  struct Result: Codable, Sendable {
    var files: UInt64
    var bytes: UInt64
    var descriptor: String
    var notes: [String]
  }
}
