// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Temperatures, fans and voltages of the machine's sensors (hwmon, sysfs-interface.rst).
struct SensorCollector: Collector {
  let name = "hwmon"
  private let directory: String
  private let names: FamilyID
  private let labels: FamilyID

  /// What a kind of sensor is measured in, and what one of it counts.
  private static let kinds: [(prefix: String, unit: String, scale: Double)] = [
    ("temp", "celsius", 0.001), ("in", "volts", 0.001), ("fan", "rpm", 1), ("curr", "amps", 0.001),
    ("power", "watt", 1e-6), ("energy", "joule", 1e-6), ("humidity", "", 0.01),
  ]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    directory = "\(roots.sys)/class/hwmon"
    names = table.family(
      "node_hwmon_chip_names", "Annotation metric for human-readable chip names", labels: ["chip", "chip_name"])
    labels = table.family(
      "node_hwmon_sensor_label", "Label for given chip and sensor", labels: ["chip", "sensor", "label"])
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    let chips = SysAttribute.names(directory)
    guard !chips.isEmpty else { throw CollectorFailure(description: "this machine has no sensors") }
    for entry in chips {
      let path = "\(directory)/\(entry)"
      let chip = Self.chip(path)
      table.label(chip)
      if let name = SysAttribute.text("\(path)/name") {
        table.label(FamilyList.sanitized(name))
        table.set(names, 1)
        table.clearLabels(keeping: 1)
      }
      for file in SysAttribute.names(path) { collect(file, path, into: &table) }
      table.clearLabels()
    }
  }

  /// `temp1_input`: the kind, the sensor's number, what of it.
  private func collect(_ file: String, _ path: String, into table: inout SeriesTable) {
    let parts = file.split(separator: "_", maxSplits: 1)
    guard parts.count == 2, let kind = Self.kinds.first(where: { parts[0].hasPrefix($0.prefix) }),
      Int(parts[0].dropFirst(kind.prefix.count)) != nil
    else { return }
    defer { table.clearLabels(keeping: 1) }
    table.label(String(parts[0]))
    if parts[1] == "label" {
      guard let label = SysAttribute.text("\(path)/\(file)") else { return }
      table.label(label)
      return table.set(labels, 1)
    }
    guard let value = SysAttribute.number("\(path)/\(file)") else { return }
    let what = parts[1] == "input" ? "" : "_\(FamilyList.sanitized(String(parts[1])))"
    // An alarm is on or off, and a count is one: neither is measured in anything.
    let isPlain = what.hasSuffix("alarm") || ["_beep", "_fault", "_enable", "_type", "_pulses"].contains(what)
    let unit = isPlain || kind.unit.isEmpty ? "" : "_\(kind.unit)"
    let family = table.family(
      "node_hwmon_\(kind.prefix)\(what)\(unit)", "Hardware monitor for \(kind.prefix)\(what)",
      labels: ["chip", "sensor"])
    table.set(family, isPlain ? value : value * kind.scale)
  }

  /// A name that stays the same over reboots: the bus and the device that the chip is.
  static func chip(_ path: String) -> String {
    func target(_ link: String) -> String? {
      guard let resolved = realpath(link, nil) else { return nil }
      defer { free(resolved) }
      return String(cString: resolved).split(separator: "/").last.map { String($0) }
    }
    if let device = target("\(path)/device") {
      if let bus = target("\(path)/device/subsystem") { return "\(cleaned(bus))_\(cleaned(device))" }
      return cleaned(device)
    }
    return cleaned(SysAttribute.text("\(path)/name") ?? target(path) ?? "unknown")
  }

  private static func cleaned(_ name: String) -> String {
    let plain = String(
      decoding: name.lowercased().utf8.map { byte in
        switch byte {
        case 48...58, 97...122: byte
        default: UInt8(ascii: "_")
        }
      }, as: UTF8.self)
    return String(plain.drop { $0 == "_" })
  }
}
