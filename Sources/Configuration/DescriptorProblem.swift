// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What is wrong with a `bundle.yaml`: where, which key, and what is allowed there.
public struct DescriptorProblem: Error, Sendable, Equatable, CustomStringConvertible {
  public var file: String
  /// Counted from 1; 0 when the place is not known.
  public var line: Int
  public var key: String
  public var text: String

  public init(file: String, line: Int, key: String, text: String) {
    self.file = file
    self.line = line
    self.key = key
    self.text = text
  }

  public var description: String {
    "\(file)\(line > 0 ? ":\(line)" : ""): \(key.isEmpty ? "" : "\(key): ")\(text)"
  }
}
