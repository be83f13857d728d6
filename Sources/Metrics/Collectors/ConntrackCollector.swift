// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// The table of tracked connections; none of it where connections are not tracked.
struct ConntrackCollector: Collector {
  let name = "conntrack"
  private let count: KernelFile
  private let limit: KernelFile
  private let statistics: KernelFile
  private let entries: FamilyID
  private let most: FamilyID
  /// By the names in the first line of the statistics.
  private let families: [(column: StaticString, family: FamilyID)]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    count = KernelFile("\(roots.proc)/sys/net/netfilter/nf_conntrack_count")
    limit = KernelFile("\(roots.proc)/sys/net/netfilter/nf_conntrack_max")
    statistics = KernelFile("\(roots.proc)/net/stat/nf_conntrack")
    entries = table.family(
      "node_nf_conntrack_entries", "Number of currently allocated flow entries for connection tracking.")
    most = table.family("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.")
    let words: [(StaticString, String)] = [
      ("found", "searched entries which were successful."),
      ("invalid", "packets seen which can not be tracked."),
      ("ignore", "packets seen which are already connected to a conntrack entry."),
      ("insert", "entries inserted into the list."),
      ("insert_failed", "entries for which list insertion was attempted but failed."),
      ("drop", "packets dropped due to conntrack failure."),
      ("early_drop", "dropped conntrack entries to make room for new ones, if maximum table size was reached."),
      ("search_restart", "conntrack table lookups which had to be restarted due to hashtable resizes."),
    ]
    families = words.map { ($0, table.family("node_nf_conntrack_stat_\($0)", "Number of \($1)")) }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    for (file, family) in [(count, entries), (limit, most)] {
      try file.read(into: &text)
      var lines = text.scanner
      var line = ByteScanner(lines.line(text.bytes.span) ?? 0..<0)
      table.set(family, line.number(text.bytes.span))
    }
    try statistics.read(into: &text)
    let bytes = text.bytes.span
    var lines = text.scanner
    guard let names = lines.line(bytes) else { return }
    for (column, family) in families {
      guard let place = Self.place(of: column, bytes, names) else { continue }
      // A line for each processor.
      var rows = lines
      var sum = 0.0
      while let row = rows.line(bytes) {
        var fields = ByteScanner(row)
        fields.skip(place, bytes)
        sum += fields.field(bytes).flatMap { ByteScanner.hexadecimal(bytes, $0) } ?? 0
      }
      table.set(family, sum)
    }
  }

  private static func place(of column: StaticString, _ bytes: Span<UInt8>, _ names: Range<Int>) -> Int? {
    var fields = ByteScanner(names)
    var place = 0
    while let field = fields.field(bytes) {
      if ByteScanner.matches(bytes, field, column) { return place }
      place += 1
    }
    return nil
  }
}
