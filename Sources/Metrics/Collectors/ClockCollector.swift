// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// The time of day, its zone, and what the kernel takes it from.
struct ClockCollector: Collector {
  let name = "time"
  private let sources: (available: KernelFile, current: KernelFile)
  private let now: FamilyID
  private let zone: FamilyID
  private let available: FamilyID
  private let current: FamilyID

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    let directory = "\(roots.sys)/devices/system/clocksource/clocksource0"
    sources = (
      KernelFile("\(directory)/available_clocksource", isAttribute: true),
      KernelFile("\(directory)/current_clocksource", isAttribute: true)
    )
    now = table.family("node_time_seconds", "System time in seconds since epoch (1970).")
    zone = table.family(
      "node_time_zone_offset_seconds", "System time zone offset in seconds.", labels: ["time_zone"])
    available = table.family(
      "node_time_clocksource_available_info", "Available clocksources read from '/sys/devices/system/clocksource'.",
      labels: ["device", "clocksource"])
    current = table.family(
      "node_time_clocksource_current_info", "Current clocksource read from '/sys/devices/system/clocksource'.",
      labels: ["device", "clocksource"])
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    table.set(now, Double(time.tv_sec) + Double(time.tv_nsec) / 1e9)
    var parts = tm()
    localtime_r(&time.tv_sec, &parts)
    if let name = parts.tm_zone { table.label(String(cString: name)) }
    table.set(zone, Double(parts.tm_gmtoff))
    table.clearLabels()
    for (file, family) in [(sources.available, available), (sources.current, current)] {
      try file.read(into: &text)
      var lines = text.scanner
      var words = ByteScanner(lines.line(text.bytes.span) ?? 0..<0)
      while let word = words.field(text.bytes.span) {
        table.label("0")
        table.label(text.bytes.span, word)
        table.set(family, 1)
        table.clearLabels()
      }
    }
  }
}
