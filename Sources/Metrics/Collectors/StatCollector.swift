// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Processor time and what else `/proc/stat` counts (proc(5)).
struct StatCollector: Collector {
  let name = "stat"
  private let file: KernelFile
  private let modes: [(family: FamilyID, mode: StaticString)]
  private let interrupts: FamilyID
  private let switches: FamilyID
  private let boot: FamilyID
  private let forks: FamilyID
  private let running: FamilyID
  private let blocked: FamilyID

  /// USER_HZ, which is 100 on every architecture that Swift runs on.
  private static let ticks = 100.0

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    file = KernelFile("\(roots.proc)/stat")
    let time = table.family(
      "node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", .counter, labels: ["cpu", "mode"])
    let guest = table.family(
      "node_cpu_guest_seconds_total", "Seconds the CPUs spent in guests (VMs) for each mode.", .counter,
      labels: ["cpu", "mode"])
    let own: [StaticString] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
    modes = own.map { (time, $0) } + [(guest, "user"), (guest, "nice")]
    interrupts = table.family("node_intr_total", "Total number of interrupts serviced.", .counter)
    switches = table.family("node_context_switches_total", "Total number of context switches.", .counter)
    boot = table.family("node_boot_time_seconds", "Node boot time, in unixtime.")
    forks = table.family("node_forks_total", "Total number of forks.", .counter)
    running = table.family("node_procs_running", "Number of processes in runnable state.")
    blocked = table.family("node_procs_blocked", "Number of processes blocked waiting for I/O to complete.")
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    let bytes = text.bytes.span
    var lines = text.scanner
    while let line = lines.line(bytes) {
      var fields = ByteScanner(line)
      guard let key = fields.field(bytes) else { continue }
      if ByteScanner.hasPrefix(bytes, key, "cpu") {
        let cpu = key.lowerBound + 3..<key.upperBound
        guard !cpu.isEmpty else { continue }
        table.label(bytes, cpu)
        for (family, mode) in modes {
          guard let value = fields.number(bytes) else { break }
          table.label(mode)
          table.set(family, value / Self.ticks)
          table.clearLabels(keeping: 1)
        }
        table.clearLabels()
      } else if let family = family(bytes, key) {
        table.set(family, fields.number(bytes))
      }
    }
  }

  private func family(_ bytes: Span<UInt8>, _ key: Range<Int>) -> FamilyID? {
    if ByteScanner.matches(bytes, key, "intr") { return interrupts }
    if ByteScanner.matches(bytes, key, "ctxt") { return switches }
    if ByteScanner.matches(bytes, key, "btime") { return boot }
    if ByteScanner.matches(bytes, key, "processes") { return forks }
    if ByteScanner.matches(bytes, key, "procs_running") { return running }
    return ByteScanner.matches(bytes, key, "procs_blocked") ? blocked : nil
  }
}
