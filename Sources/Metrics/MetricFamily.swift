// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// All series of one name.
public struct MetricFamily: Sendable, Hashable {
  public let name: String
  public let help: String
  public let kind: MetricKind
  /// The names of the labels, in the order in which values are given.
  public let labels: [String]

  /// What OpenMetrics calls it: a counter's family has not the `_total` of its samples.
  var openMetricsName: String { kind == .counter && name.hasSuffix("_total") ? String(name.dropLast(6)) : name }
}

/// A family within one ``SeriesTable``.
public struct FamilyID: Sendable, Hashable {
  let index: Int
}
