// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Files of one line that hold nothing but numbers, such as `/proc/sys/fs/file-nr`.
struct NumberCollector: Collector {
  let name: String
  private let files: [(file: KernelFile, families: [FamilyID?])]

  init(_ name: String, _ files: [(path: String, families: [FamilyID?])]) {
    self.name = name
    self.files = files.map { (KernelFile($0.path), $0.families) }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    for (file, families) in files {
      try file.read(into: &text)
      var lines = text.scanner
      guard let line = lines.line(text.bytes.span) else { continue }
      var fields = ByteScanner(line)
      for family in families {
        let value = fields.number(text.bytes.span)
        if let family { table.set(family, value) }
      }
    }
  }

  static func fileDescriptors(_ roots: KernelRoots, _ table: inout SeriesTable) -> NumberCollector {
    NumberCollector(
      "filefd",
      [
        (
          "\(roots.proc)/sys/fs/file-nr",
          [
            table.family("node_filefd_allocated", "File descriptor statistics: allocated."), nil,
            table.family("node_filefd_maximum", "File descriptor statistics: maximum."),
          ]
        )
      ])
  }

  static func entropy(_ roots: KernelRoots, _ table: inout SeriesTable) -> NumberCollector {
    NumberCollector(
      "entropy",
      [
        (
          "\(roots.proc)/sys/kernel/random/entropy_avail",
          [table.family("node_entropy_available_bits", "Bits of available entropy.")]
        ),
        (
          "\(roots.proc)/sys/kernel/random/poolsize",
          [table.family("node_entropy_pool_size_bits", "Bits of entropy pool.")]
        ),
      ])
  }
}
