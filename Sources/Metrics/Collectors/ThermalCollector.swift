// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Thermal zones and cooling devices (sysfs-api.rst of the thermal subsystem).
struct ThermalCollector: Collector {
  let name = "thermal_zone"
  private let directory: String
  private let zone: FamilyID
  private let current: FamilyID
  private let most: FamilyID

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    directory = "\(roots.sys)/class/thermal"
    zone = table.family("node_thermal_zone_temp", "Zone temperature in Celsius", labels: ["zone", "type"])
    current = table.family(
      "node_cooling_device_cur_state", "Current throttle state of the cooling device", labels: ["name", "type"])
    most = table.family(
      "node_cooling_device_max_state", "Maximum throttle state of the cooling device", labels: ["name", "type"])
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    var found = false
    for name in SysAttribute.names(directory) {
      for (prefix, files) in [
        ("thermal_zone", [("temp", zone, 0.001)]),
        ("cooling_device", [("cur_state", current, 1), ("max_state", most, 1)]),
      ] where name.hasPrefix(prefix) {
        table.label(String(name.dropFirst(prefix.count)))
        table.label(SysAttribute.text("\(directory)/\(name)/type") ?? "")
        for (file, family, scale) in files {
          guard let value = SysAttribute.number("\(directory)/\(name)/\(file)") else { continue }
          found = true
          table.set(family, value * scale)
        }
        table.clearLabels()
      }
    }
    guard found else { throw CollectorFailure(description: "this machine has no thermal zones") }
  }
}
