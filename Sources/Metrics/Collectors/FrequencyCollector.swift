// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The speed of each processor (cpufreq); virtual machines have none.
struct FrequencyCollector: Collector {
  let name = "cpufreq"
  private let directory: String
  private let families: [(file: String, family: FamilyID)]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    directory = "\(roots.sys)/devices/system/cpu"
    families = [
      ("cpuinfo_cur_freq", "node_cpu_frequency_hertz", "Current CPU thread frequency in hertz."),
      ("cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "Minimum CPU thread frequency in hertz."),
      ("cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "Maximum CPU thread frequency in hertz."),
      ("scaling_cur_freq", "node_cpu_scaling_frequency_hertz", "Current scaled CPU thread frequency in hertz."),
      ("scaling_min_freq", "node_cpu_scaling_frequency_min_hertz", "Minimum scaled CPU thread frequency in hertz."),
      ("scaling_max_freq", "node_cpu_scaling_frequency_max_hertz", "Maximum scaled CPU thread frequency in hertz."),
    ].map { ($0, table.family($1, $2, labels: ["cpu"])) }
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    var found = false
    for name in SysAttribute.names(directory) where name.hasPrefix("cpu") && Int(name.dropFirst(3)) != nil {
      table.label(String(name.dropFirst(3)))
      for (file, family) in families {
        guard let value = SysAttribute.number("\(directory)/\(name)/cpufreq/\(file)") else { continue }
        found = true
        // Kilohertz.
        table.set(family, value * 1000)
      }
      table.clearLabels()
    }
    guard found else { throw CollectorFailure(description: "this machine does not tell the speed of its processors") }
  }
}
