// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// `/proc/net/sockstat` and `sockstat6`: how many sockets of each protocol there are.
struct SocketCollector: Collector {
  let name = "sockstat"
  private let files: [KernelFile]
  private var families = [FamilyList(), FamilyList()]
  private let page = Double(sysconf(Int32(_SC_PAGESIZE)))

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    files = ["sockstat", "sockstat6"].map { KernelFile("\(roots.proc)/net/\($0)") }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    for (index, file) in files.enumerated() {
      do {
        try file.read(into: &text)
      } catch {
        if index == 1, error.errno == ENOENT { continue }
        throw error
      }
      let bytes = text.bytes.span
      families[index].begin()
      var lines = text.scanner
      while let line = lines.line(bytes) {
        var fields = ByteScanner(line)
        let proto = fields.until(UInt8(ascii: ":"), bytes)
        while let key = fields.field(bytes), let value = fields.number(bytes) {
          let family = families[index].find(bytes, key, after: proto) {
            Self.family($0, splitAt: proto.count, &table)
          }
          if let family { table.set(family, value) }
          guard ByteScanner.matches(bytes, key, "mem") else { continue }
          // The same in bytes, under a key of its own: the colon's place makes it one.
          let inBytes = families[index].find(bytes, key, after: proto.lowerBound..<proto.upperBound + 1) {
            Self.family($0.replacing(":", with: "") + "_bytes", splitAt: proto.count, &table)
          }
          if let inBytes { table.set(inBytes, value * page) }
        }
      }
    }
  }

  private static func family(_ text: String, splitAt count: Int, _ table: inout SeriesTable) -> FamilyID {
    let proto = FamilyList.sanitized(String(decoding: text.utf8.prefix(count), as: UTF8.self))
    let name = FamilyList.sanitized(String(decoding: text.utf8.dropFirst(count), as: UTF8.self))
    return table.family("node_sockstat_\(proto)_\(name)", "Number of \(proto) sockets in state \(name).")
  }
}
