// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// Protocol counters of `/proc/net/netstat`, `snmp` and `snmp6`.
struct NetstatCollector: Collector {
  let name = "netstat"
  private let paired: [KernelFile]
  private let listed: KernelFile
  /// The lines of names of each file, and what of them is exported: they are the same at each scrape.
  private var known: [[(names: [UInt8], families: [FamilyID?])]] = [[], []]
  private var listedFamilies = FamilyList()

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    paired = [KernelFile("\(roots.proc)/net/netstat"), KernelFile("\(roots.proc)/net/snmp")]
    listed = KernelFile("\(roots.proc)/net/snmp6")
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    for (index, file) in paired.enumerated() {
      try file.read(into: &text)
      collectPairs(index, into: &table, text)
    }
    do {
      try listed.read(into: &text)
    } catch {
      // Without IPv6 there is none.
      if error.errno == ENOENT { return }
      throw error
    }
    collectList(into: &table, text)
  }

  /// A line of names, then one of their values, both with the protocol before them.
  private mutating func collectPairs(_ index: Int, into table: inout SeriesTable, _ text: borrowing KernelText) {
    let bytes = text.bytes.span
    var lines = text.scanner
    var pair = 0
    while let names = lines.line(bytes), let values = lines.line(bytes), pair < Self.mostPairs {
      if known[index].count == pair || !Self.matches(known[index][pair].names, bytes, names) {
        let found = Self.families(bytes, names, &table)
        known[index] = Array(known[index].prefix(pair)) + [found]
      }
      pair += 1
      var keys = ByteScanner(names)
      var numbers = ByteScanner(values)
      let colon = UInt8(ascii: ":")
      guard keys.until(colon, bytes).count == numbers.until(colon, bytes).count else { continue }
      for family in known[index][pair - 1].families {
        guard let value = numbers.field(bytes) else { break }
        if let family { table.set(family, ByteScanner.number(bytes, value)) }
      }
    }
  }

  /// Kernels have about ten.
  private static let mostPairs = 100

  private static func matches(_ known: [UInt8], _ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard known.count == range.count else { return false }
    for offset in 0..<known.count where known[offset] != bytes[range.lowerBound + offset] { return false }
    return true
  }

  private static func families(
    _ bytes: Span<UInt8>, _ names: Range<Int>, _ table: inout SeriesTable
  ) -> (names: [UInt8], families: [FamilyID?]) {
    var keys = ByteScanner(names)
    let proto = ByteScanner.text(bytes, keys.until(UInt8(ascii: ":"), bytes))
    var families: [FamilyID?] = []
    while let key = keys.field(bytes) {
      families.append(
        family(proto + ByteScanner.text(bytes, key), splitAt: proto.utf8.count, &table))
    }
    return (Array(ByteScanner.text(bytes, names).utf8), families)
  }

  private mutating func collectList(into table: inout SeriesTable, _ text: borrowing KernelText) {
    let bytes = text.bytes.span
    listedFamilies.begin()
    var lines = text.scanner
    while let line = lines.line(bytes) {
      var fields = ByteScanner(line)
      guard let key = fields.field(bytes) else { continue }
      let family = listedFamilies.find(bytes, key) { name in
        // Ip6InOctets: the protocol ends with the 6.
        guard let six = name.firstIndex(of: "6") else { return nil }
        return Self.family(name, splitAt: name.distance(from: name.startIndex, to: six) + 1, &table)
      }
      if let family { table.set(family, fields.number(bytes)) }
    }
  }

  private static func family(_ text: String, splitAt count: Int, _ table: inout SeriesTable) -> FamilyID? {
    let proto = FamilyList.sanitized(String(decoding: text.utf8.prefix(count), as: UTF8.self))
    let name = FamilyList.sanitized(String(decoding: text.utf8.dropFirst(count), as: UTF8.self))
    guard isExported(proto, name) else { return nil }
    return table.family("node_netstat_\(proto)_\(name)", "Statistic \(proto)\(name).", .untyped)
  }

  /// Those that node_exporter shows by default.
  static func isExported(_ proto: String, _ name: String) -> Bool {
    if name == "InErrors" || name == "InErrs" { return true }
    switch proto {
    case "Ip": return name == "Forwarding"
    case "Ip6", "IpExt": return ["InOctets", "OutOctets"].contains(name)
    case "Icmp", "Icmp6": return ["InMsgs", "OutMsgs"].contains(name)
    case "TcpExt":
      return name.hasPrefix("Listen") || name.hasPrefix("Syncookies")
        || ["TCPSynRetrans", "TCPTimeouts", "TCPOFOQueue"].contains(name)
    case "Tcp":
      return ["ActiveOpens", "InSegs", "OutSegs", "OutRsts", "PassiveOpens", "RetransSegs", "CurrEstab"].contains(name)
    case "Udp", "Udp6":
      return ["InDatagrams", "OutDatagrams", "NoPorts", "RcvbufErrors", "SndbufErrors"].contains(name)
    default: return false
    }
  }
}
