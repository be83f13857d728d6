// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What each processor did with received packets: `/proc/net/softnet_stat`, in hexadecimal columns.
struct SoftnetCollector: Collector {
  let name = "softnet"
  private let file: KernelFile
  private let families: [FamilyID]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    file = KernelFile("\(roots.proc)/net/softnet_stat")
    families = [
      ("processed", "Number of processed packets"), ("dropped", "Number of dropped packets"),
      ("times_squeezed", "Number of times processing packets ran out of quota"),
    ].map { table.family("node_softnet_\($0)_total", "\($1).", .counter, labels: ["cpu"]) }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    let bytes = text.bytes.span
    var lines = text.scanner
    var row = 0
    while let line = lines.line(bytes) {
      // Processors that are offline have no line: newer kernels tell whose it is in the 13th column.
      var columns = ByteScanner(line)
      columns.skip(12, bytes)
      let cpu = columns.field(bytes).flatMap { ByteScanner.hexadecimal(bytes, $0) }.map { Int($0) } ?? row
      table.label(cpu)
      var fields = ByteScanner(line)
      for family in families {
        table.set(family, fields.field(bytes).flatMap { ByteScanner.hexadecimal(bytes, $0) })
      }
      table.clearLabels()
      row += 1
    }
  }
}
