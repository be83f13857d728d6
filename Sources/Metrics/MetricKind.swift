// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What a metric is (Prometheus exposition formats; OpenMetrics 1.0, section 5).
public enum MetricKind: String, Sendable, Hashable {
  case gauge, counter, untyped

  /// OpenMetrics calls what has no type unknown.
  var openMetrics: String { self == .untyped ? "unknown" : rawValue }
}
