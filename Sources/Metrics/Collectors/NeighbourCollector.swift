// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// How many neighbours each interface knows: `/proc/net/arp`.
struct NeighbourCollector: Collector {
  let name = "arp"
  private let file: KernelFile
  private let entries: FamilyID
  private var counts: [String: Int] = [:]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    file = KernelFile("\(roots.proc)/net/arp")
    entries = table.family("node_arp_entries", "ARP entries by device", labels: ["device"])
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    let bytes = text.bytes.span
    counts.removeAll(keepingCapacity: true)
    var lines = text.scanner
    _ = lines.line(bytes)
    while let line = lines.line(bytes) {
      var fields = ByteScanner(line)
      fields.skip(5, bytes)
      if let device = fields.field(bytes) { counts[ByteScanner.text(bytes, device), default: 0] += 1 }
    }
    for (device, count) in counts.sorted(by: { $0.key < $1.key }) {
      table.label(device)
      table.set(entries, Double(count))
      table.clearLabels()
    }
  }
}
