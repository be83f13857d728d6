// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Reads one kind of figures from the kernel at each scrape.
protocol Collector {
  /// As node_exporter calls it.
  var name: String { get }
  /// - Parameter text: room for a file's text.
  /// - Throws: when there is nothing of the kind on this machine, or it cannot be read.
  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws
}

/// What a collector throws when this machine has nothing of the kind: it is asked again only after a while.
struct CollectorFailure: Error, CustomStringConvertible {
  let description: String
}
