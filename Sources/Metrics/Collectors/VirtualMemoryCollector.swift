// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Paging, swapping and the out-of-memory killer, of `/proc/vmstat`.
struct VirtualMemoryCollector: Collector {
  let name = "vmstat"
  private let file: KernelFile
  private var families = FamilyList()

  init(_ roots: KernelRoots, _ table: inout SeriesTable) { file = KernelFile("\(roots.proc)/vmstat") }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    let bytes = text.bytes.span
    families.begin()
    var lines = text.scanner
    while let line = lines.line(bytes) {
      var fields = ByteScanner(line)
      guard let key = fields.field(bytes),
        let family = families.find(
          bytes, key,
          make: { key in
            Self.isExported(key)
              ? table.family(
                "node_vmstat_\(FamilyList.sanitized(key))", "/proc/vmstat information field \(key).", .untyped) : nil
          })
      else { continue }
      table.set(family, fields.number(bytes))
    }
  }

  /// The many others are of use to nobody but a kernel's developer.
  private static func isExported(_ key: String) -> Bool {
    ["oom_kill", "pgpg", "pswp"].contains { key.hasPrefix($0) } || key.hasPrefix("pg") && key.contains("fault")
  }
}
