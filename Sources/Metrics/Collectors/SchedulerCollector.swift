// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// How long processors have run tasks, and tasks waited for them (sched-stats.rst).
struct SchedulerCollector: Collector {
  let name = "schedstat"
  private let file: KernelFile
  private let families: [(family: FamilyID, scale: Double)]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    file = KernelFile("\(roots.proc)/schedstat")
    families = [
      ("running_seconds_total", "Number of seconds CPU spent running a process.", 1e-9),
      ("waiting_seconds_total", "Number of seconds spent by processing waiting for this CPU.", 1e-9),
      ("timeslices_total", "Number of timeslices executed by CPU.", 1),
    ].map { (table.family("node_schedstat_\($0)", $1, .counter, labels: ["cpu"]), $2) }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    let bytes = text.bytes.span
    var lines = text.scanner
    while let line = lines.line(bytes) {
      var fields = ByteScanner(line)
      guard let key = fields.field(bytes), ByteScanner.hasPrefix(bytes, key, "cpu") else { continue }
      fields.skip(6, bytes)
      table.label(bytes, key.lowerBound + 3..<key.upperBound)
      for (family, scale) in families { table.set(family, fields.number(bytes).map { $0 * scale }) }
      table.clearLabels()
    }
  }
}
