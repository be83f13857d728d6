// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Why something with certificates cannot be done.
public enum CertificateProblem: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was asked for is not allowed.
  case refused(String)
  /// What is there cannot be used.
  case unusable(String)

  public var description: String {
    switch self {
    case .refused(let text), .unusable(let text): text
    }
  }
}
