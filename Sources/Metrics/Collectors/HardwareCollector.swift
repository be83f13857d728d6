// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What the firmware tells of the machine (SMBIOS, in sysfs); read once, some of it only by root.
struct HardwareCollector: Collector {
  let name = "dmi"
  private let values: [String]
  private let info: FamilyID

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    let directory = "\(roots.sys)/class/dmi/id"
    let files = [
      "bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial",
      "board_vendor", "board_version", "chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version",
      "product_family", "product_name", "product_serial", "product_sku", "product_uuid", "product_version",
      "sys_vendor",
    ]
    let found = files.compactMap { file in SysAttribute.text("\(directory)/\(file)").map { (file, $0) } }
    values = found.map(\.1)
    info = table.family(
      "node_dmi_info", "A metric with a constant '1' value labeled by the fields that the firmware tells.",
      labels: found.map { $0.0 == "sys_vendor" ? "system_vendor" : $0.0 })
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    guard !values.isEmpty else { throw CollectorFailure(description: "the firmware tells nothing of this machine") }
    for value in values { table.label(value) }
    table.set(info, 1)
    table.clearLabels()
  }
}
