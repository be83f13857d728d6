// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// Compares what something uses with its bounds, and says so.
public struct ResourceJudgement: Sendable {
  private var found: [String] = []
  private var wrong: [String] = []

  public init() {}

  public var outcome: (ok: Bool, output: String) {
    wrong.isEmpty ? (true, found.joined(separator: ", ")) : (false, wrong.joined(separator: "; "))
  }

  /// Bytes.
  public mutating func memory(_ value: Double?, _ bound: UInt64?) {
    judge("memory", value, bound.map { Double($0) }) { "\(($0 / 104_857.6).rounded() / 10) MiB" }
  }

  /// Thousandths of a processor.
  public mutating func cpu(_ value: Double?, _ bound: UInt64?) {
    judge("cpu", value, bound.map { Double($0) }) { "\(Int($0)) m" }
  }

  public mutating func files(_ value: Int, _ bound: UInt64?) {
    judge("files", Double(value), bound.map { Double($0) }) { "\(Int($0))" }
  }

  public mutating func restarts(_ value: Int, _ bound: Int?) {
    judge("restarts", Double(value), bound.map { Double($0) }) { "\(Int($0))" }
  }

  private mutating func judge(_ name: String, _ value: Double?, _ bound: Double?, _ show: (Double) -> String) {
    guard let value, let bound else { return }
    found.append("\(name) \(show(value))")
    if value > bound { wrong.append("\(name) \(show(value)) is over \(show(bound))") }
  }
}
