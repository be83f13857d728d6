// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// `/proc/meminfo`, each line under its own name.
struct MemoryCollector: Collector {
  let name = "meminfo"
  private let file: KernelFile
  private var families = FamilyList()

  init(_ roots: KernelRoots, _ table: inout SeriesTable) { file = KernelFile("\(roots.proc)/meminfo") }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    let bytes = text.bytes.span
    families.begin()
    var lines = text.scanner
    while let line = lines.line(bytes) {
      var fields = ByteScanner(line)
      let key = fields.until(UInt8(ascii: ":"), bytes)
      guard let value = fields.number(bytes) else { continue }
      let isKilobytes = fields.field(bytes) != nil
      let family = families.find(bytes, key) { Self.family($0, isKilobytes, &table) }
      if let family { table.set(family, isKilobytes ? value * 1024 : value) }
    }
  }

  private static func family(_ key: String, _ isKilobytes: Bool, _ table: inout SeriesTable) -> FamilyID {
    // Active(anon) is Active_anon.
    let name = FamilyList.sanitized(key.hasSuffix(")") ? String(key.dropLast()) : key) + (isKilobytes ? "_bytes" : "")
    return table.family("node_memory_\(name)", "Memory information field \(name).")
  }
}
