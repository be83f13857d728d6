// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// The network interfaces: their counters and their state.
struct NetworkCollector: Collector {
  /// What netlink does not tell, and what seldom changes.
  private struct Attributes {
    var addressAssignType: Double?
    var nameAssignType: Double?
    var deviceID: Double?
    var duplex = ""
    var speed: Double?
    /// What it was when these were read.
    var flags: UInt32
    var carrierChanges: UInt32?
    var scrape: UInt64 = 0
  }

  let name = "netdev"
  private let roots: KernelRoots
  private let links = LinkDump()
  /// Each is the sum of these of the 24 counters, as `/proc/net/dev` shows them.
  private let counters: [(family: FamilyID, places: [Int])]
  private let states: [String: FamilyID]
  private let info: FamilyID
  private var known: [Int32: Attributes] = [:]
  private var scratch: [UInt8] = []

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    self.roots = roots
    let words: [(String, [Int])] = [
      ("receive_packets", [0]), ("transmit_packets", [1]), ("receive_bytes", [2]), ("transmit_bytes", [3]),
      ("receive_errs", [4]), ("transmit_errs", [5]), ("receive_drop", [6, 15]), ("transmit_drop", [7]),
      ("receive_multicast", [8]), ("transmit_colls", [9]), ("receive_frame", [10, 11, 12, 13]), ("receive_fifo", [14]),
      ("transmit_carrier", [16, 17, 19, 20]), ("transmit_fifo", [18]), ("receive_compressed", [21]),
      ("transmit_compressed", [22]), ("receive_nohandler", [23]),
    ]
    counters = words.map { name, places in
      (
        table.family(
          "node_network_\(name)_total", "Network device statistic \(name).", .counter, labels: ["device"]), places
      )
    }
    var states: [String: FamilyID] = [:]
    for name in [
      "address_assign_type", "carrier", "carrier_changes_total", "carrier_down_changes_total",
      "carrier_up_changes_total", "device_id", "dormant", "flags", "iface_id", "iface_link", "iface_link_mode",
      "mtu_bytes", "name_assign_type", "net_dev_group", "protocol_type", "speed_bytes", "transmit_queue_length",
    ] {
      states[name] = table.family(
        "node_network_\(name)", "Network device property: \(name)", name.hasSuffix("_total") ? .counter : .gauge,
        labels: ["device"])
    }
    states["up"] = table.family(
      "node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.", labels: ["device"])
    self.states = states
    info = table.family(
      "node_network_info", "Non-numeric data of each network device; the value is always 1.",
      labels: ["device", "address", "broadcast", "duplex", "operstate", "ifalias"])
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try links.each { link, bytes in
      table.label(bytes, link.name)
      for (family, places) in counters {
        table.set(family, places.reduce(0) { $0 + LinkDump.counter($1, of: link, bytes) })
      }
      let attributes = attributes(link, bytes, table.scrape)
      setStates(link, attributes, &table)
      setInfo(link, bytes, attributes, &table)
      table.clearLabels()
    }
    // Interfaces come and go with containers.
    if known.contains(where: { $0.value.scrape != table.scrape }) {
      known = known.filter { $0.value.scrape == table.scrape }
    }
  }

  private func setStates(_ link: LinkDump.Link, _ attributes: Attributes, _ table: inout SeriesTable) {
    func set(_ name: String, _ value: Double?) {
      if let family = states[name] { table.set(family, value) }
    }
    set("address_assign_type", attributes.addressAssignType)
    // As in sysfs, which has no answer for an interface that is down.
    if link.isUp {
      set("carrier", Double(link.carrier))
      set("dormant", link.operationalState == 5 ? 1 : 0)
      set("speed_bytes", attributes.speed)
    }
    set("carrier_changes_total", link.carrierChanges.map { Double($0) })
    set("carrier_down_changes_total", link.carrierDowns.map { Double($0) })
    set("carrier_up_changes_total", link.carrierUps.map { Double($0) })
    set("device_id", attributes.deviceID)
    // Without what the kernel adds for callers like this one (IFF_RUNNING).
    set("flags", Double(link.flags & 0xffff & ~0x40))
    set("iface_id", Double(link.index))
    set("iface_link", Double(link.link ?? link.index))
    set("iface_link_mode", Double(link.linkMode))
    set("mtu_bytes", Double(link.mtu))
    set("name_assign_type", attributes.nameAssignType)
    set("net_dev_group", Double(link.group))
    set("protocol_type", Double(link.type))
    set("transmit_queue_length", Double(link.queueLength))
    set("up", link.operationalState == 6 ? 1 : 0)
  }

  /// RFC 2863's states in the kernel's order (operstates.rst).
  private static let stateNames: [StaticString] = [
    "unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up",
  ]

  private mutating func setInfo(
    _ link: LinkDump.Link, _ bytes: Span<UInt8>, _ attributes: Attributes, _ table: inout SeriesTable
  ) {
    for address in [link.address, link.broadcast] {
      write(bytes, address)
      table.label(scratch.span, 0..<scratch.count)
    }
    table.label(attributes.duplex)
    let state = Int(link.operationalState)
    table.label(Self.stateNames.indices.contains(state) ? Self.stateNames[state] : "unknown")
    table.label(bytes, link.alias)
    table.set(info, 1)
  }

  /// `02:fc:00:00:00:01`
  private mutating func write(_ bytes: Span<UInt8>, _ address: Range<Int>) {
    scratch.removeAll(keepingCapacity: true)
    for index in address {
      if index > address.lowerBound { scratch.append(UInt8(ascii: ":")) }
      for nibble in [bytes[index] >> 4, bytes[index] & 15] { scratch.append(nibble < 10 ? nibble + 48 : nibble + 87) }
    }
  }

  // MARK: - What only sysfs tells

  private mutating func attributes(_ link: LinkDump.Link, _ bytes: Span<UInt8>, _ scrape: UInt64) -> Attributes {
    if var found = known[link.index], found.flags == link.flags, found.carrierChanges == link.carrierChanges {
      found.scrape = scrape
      known[link.index] = found
      return found
    }
    let directory = "\(roots.sys)/class/net/\(ByteScanner.text(bytes, link.name))"
    var found = Attributes(flags: link.flags, carrierChanges: link.carrierChanges, scrape: scrape)
    found.addressAssignType = SysAttribute.number("\(directory)/addr_assign_type")
    found.nameAssignType = SysAttribute.number("\(directory)/name_assign_type")
    found.deviceID = SysAttribute.text("\(directory)/dev_id").flatMap { UInt64($0.dropFirst(2), radix: 16) }
      .map { Double($0) }
    found.duplex = SysAttribute.text("\(directory)/duplex") ?? ""
    found.speed = SysAttribute.number("\(directory)/speed").map { $0 * 1e6 / 8 }
    known[link.index] = found
    return found
  }
}
