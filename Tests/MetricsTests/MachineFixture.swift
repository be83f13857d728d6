// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

@testable import Metrics

/// A `/proc` and a `/sys` of one's own.
final class MachineFixture {
  let directory: String
  var roots: KernelRoots { .init(proc: "\(directory)/proc", sys: "\(directory)/sys", etc: "\(directory)/etc") }

  init(_ files: [String: String] = [:]) throws {
    var template = Array("/tmp/nodeagent-metrics-XXXXXX".utf8CString)
    directory = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
    for (path, text) in files { try write(path, Array(text.utf8)) }
  }

  deinit { try? FileSystem.removeTree(directory) }

  func write(_ path: String, _ bytes: [UInt8]) throws {
    let full = "\(directory)/\(path)"
    try FileSystem.makeDirectories(String(full[..<(full.lastIndex(of: "/") ?? full.endIndex)]), mode: 0o755)
    let file = try FileSystem.open(full, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
    try FileSystem.write(bytes, to: file.raw)
  }

  /// One scrape of all collectors.
  func scrape() -> (table: SeriesTable, failures: [String: String]) {
    var table = SeriesTable()
    var collectors = NodeCollectors(roots, &table)
    table.begin()
    collectors.collect(into: &table)
    return (table, collectors.failures)
  }
}
