// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// `/proc/loadavg`.
struct LoadCollector: Collector {
  let name = "loadavg"
  private let file: KernelFile
  private let families: [FamilyID]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    file = KernelFile("\(roots.proc)/loadavg")
    families = [1, 5, 15].map { table.family("node_load\($0)", "\($0)m load average.") }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    var fields = text.scanner
    for family in families { table.set(family, fields.number(text.bytes.span)) }
  }
}
