// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// Protocol counters of `/proc/net/netstat`, `snmp` and `snmp6`.
struct NetstatCollector: Collector {
  let name = "netstat"
  private let paired: [KernelFile]
  private let listed: KernelFile
  private var pairedFamilies: [FamilyList]
  private var listedFamilies = FamilyList()

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    paired = [KernelFile("\(roots.proc)/net/netstat"), KernelFile("\(roots.proc)/net/snmp")]
    pairedFamilies = [FamilyList(), FamilyList()]
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
    pairedFamilies[index].begin()
    var lines = text.scanner
    while let names = lines.line(bytes), let values = lines.line(bytes) {
      var keys = ByteScanner(names)
      var numbers = ByteScanner(values)
      let proto = keys.until(UInt8(ascii: ":"), bytes)
      guard numbers.until(UInt8(ascii: ":"), bytes).count == proto.count else { continue }
      while let key = keys.field(bytes), let value = numbers.field(bytes) {
        let family = pairedFamilies[index].find(bytes, key, after: proto) {
          Self.family($0, splitAt: proto.count, &table)
        }
        if let family { table.set(family, ByteScanner.number(bytes, value)) }
      }
    }
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
