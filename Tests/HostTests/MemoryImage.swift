// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// What another process has in its memory at one moment (proc(5), `/proc/PID/mem`).
struct MemoryImage {
  private var parts: [[UInt8]] = []

  /// - Throws: where the process cannot be looked at.
  init(of pid: Int32) throws {
    let memory = try FileSystem.open("/proc/\(pid)/mem", flags: O_RDONLY)
    for line in try FileSystem.readText("/proc/\(pid)/maps", limit: 16 << 20).split(separator: "\n") {
      let fields = line.split(separator: " ", maxSplits: 5)
      let ends = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
      guard ends.count == 2, fields[1].hasPrefix("rw"), ends[1] - ends[0] < 1 << 30 else { continue }
      var bytes = [UInt8](repeating: 0, count: Int(ends[1] - ends[0]))
      let read = pread(memory.raw, &bytes, bytes.count, off_t(ends[0]))
      if read > 0 { parts.append(Array(bytes.prefix(read))) }
    }
  }

  func occurrences(of pattern: [UInt8]) -> Int {
    var count = 0
    for part in parts where part.count >= pattern.count {
      part.withUnsafeBytes { buffer in
        for start in 0...(buffer.count - pattern.count) where buffer[start] == pattern[0] {
          if memcmp(buffer.baseAddress! + start, pattern, pattern.count) == 0 { count += 1 }
        }
      }
    }
    return count
  }
}
