// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// All that is read of the machine, in the order of an exposition, and how each part went.
public struct NodeCollectors {
  private var collectors: [any Collector]
  private var text = KernelText()
  private let durations: FamilyID
  private let successes: FamilyID
  /// Those that this machine has nothing for, with the scrape at which they are asked again.
  private var absent: [Int: UInt64] = [:]
  private static let absentScrapes: UInt64 = 40
  /// What kept each from its figures the last time.
  public private(set) var failures: [String: String] = [:]

  public init(_ roots: KernelRoots = .init(), _ table: inout SeriesTable) {
    collectors = [
      NeighbourCollector(roots, &table), ConntrackCollector(roots, &table), StatCollector(roots, &table),
      FrequencyCollector(roots, &table), DiskCollector(roots, &table), HardwareCollector(roots, &table),
      NumberCollector.entropy(roots, &table), NumberCollector.fileDescriptors(roots, &table),
      FileSystemCollector(roots, &table), SensorCollector(roots, &table), LoadCollector(roots, &table),
      RAIDCollector(roots, &table), MemoryCollector(roots, &table), NetworkCollector(roots, &table),
      NetstatCollector(roots, &table), NVMeCollector(roots, &table), PressureCollector(roots, &table),
      SchedulerCollector(roots, &table), SocketCollector(roots, &table), SoftnetCollector(roots, &table),
      ThermalCollector(roots, &table), ClockCollector(roots, &table), ClockStateCollector(roots, &table),
      SystemCollector(roots, &table), VirtualMemoryCollector(roots, &table),
    ]
    durations = table.family(
      "node_scrape_collector_duration_seconds", "Duration of a collector scrape.", labels: ["collector"])
    successes = table.family(
      "node_scrape_collector_success", "Whether a collector succeeded.", labels: ["collector"])
  }

  private mutating func collect(_ index: Int, into table: inout SeriesTable) -> Bool {
    if let next = absent[index] {
      if table.scrape < next { return false }
      absent[index] = nil
    }
    let name = collectors[index].name
    do {
      try collectors[index].collect(into: &table, &text)
      if !failures.isEmpty { failures[name] = nil }
      return true
    } catch {
      table.clearLabels()
      failures[name] = "\(error)"
      if error is CollectorFailure { absent[index] = table.scrape + Self.absentScrapes }
      return false
    }
  }

  /// Reads everything. What fails is left out, and told by `node_scrape_collector_success`.
  public mutating func collect(into table: inout SeriesTable) {
    for index in collectors.indices {
      let start = Clock.monotonicNanoseconds()
      let name = collectors[index].name
      let succeeded = collect(index, into: &table) ? 1.0 : 0
      table.label(name)
      table.set(durations, Double(Clock.monotonicNanoseconds() - start) / 1e9)
      table.set(successes, succeeded)
      table.clearLabels()
    }
  }
}
