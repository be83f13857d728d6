// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// How long tasks have waited for processors, memory and disks (psi.rst); kernels before 4.20 do not tell.
struct PressureCollector: Collector {
  let name = "pressure"
  private let resources: [(file: KernelFile, some: FamilyID, full: FamilyID?)]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    let words = [
      ("cpu", "for CPU time", nil),
      ("io", "due to IO congestion", "no process could make progress due to IO congestion"),
      ("memory", "for memory", "no process could make progress due to memory congestion"),
    ]
    resources = words.map { name, waiting, stalled in
      (
        KernelFile("\(roots.proc)/pressure/\(name)"),
        table.family(
          "node_pressure_\(name)_waiting_seconds_total", "Total time in seconds that processes have waited \(waiting).",
          .counter),
        stalled.map {
          table.family("node_pressure_\(name)_stalled_seconds_total", "Total time in seconds \($0).", .counter)
        }
      )
    }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    for resource in resources {
      do {
        try resource.file.read(into: &text)
      } catch {
        // Built in, and switched off.
        if error.errno == EOPNOTSUPP { throw CollectorFailure(description: "pressure is switched off (psi=1)") }
        throw error
      }
      let bytes = text.bytes.span
      var lines = text.scanner
      while let line = lines.line(bytes) {
        var fields = ByteScanner(line)
        guard let kind = fields.field(bytes) else { continue }
        fields.skip(3, bytes)
        guard let total = fields.field(bytes), ByteScanner.hasPrefix(bytes, total, "total="),
          let value = ByteScanner.number(bytes, total.lowerBound + 6..<total.upperBound)
        else { continue }
        if ByteScanner.matches(bytes, kind, "some") {
          table.set(resource.some, value / 1e6)
        } else if let full = resource.full, ByteScanner.matches(bytes, kind, "full") {
          table.set(full, value / 1e6)
        }
      }
    }
  }
}
