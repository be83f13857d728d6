// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What NVMe drives there are.
struct NVMeCollector: Collector {
  let name = "nvme"
  private let directory: String
  private let info: FamilyID

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    directory = "\(roots.sys)/class/nvme"
    info = table.family(
      "node_nvme_info", "Non-numeric data of each NVMe drive; the value is always 1.",
      labels: ["device", "firmware_revision", "model", "serial", "state"])
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    let drives = SysAttribute.names(directory)
    guard !drives.isEmpty else { throw CollectorFailure(description: "this machine has no NVMe drive") }
    for drive in drives {
      table.label(drive)
      for file in ["firmware_rev", "model", "serial", "state"] {
        table.label(SysAttribute.text("\(directory)/\(drive)/\(file)") ?? "")
      }
      table.set(info, 1)
      table.clearLabels()
    }
  }
}
