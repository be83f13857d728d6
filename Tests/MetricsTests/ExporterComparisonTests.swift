// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

@testable import Metrics

private let nodeExporter: String? = ["/usr/bin/prometheus-node-exporter", "/usr/bin/node_exporter"].first {
  (path: String) in access(path, X_OK) == 0
}

/// Our figures beside prometheus-node-exporter's, of the same machine at the same moment.
@Suite(.enabled(if: nodeExporter != nil, "needs prometheus-node-exporter"), .serialized)
struct ExporterComparisonTests {
  /// Those whose series ours are.
  private static let collectors = [
    "arp", "conntrack", "cpu", "cpufreq", "diskstats", "dmi", "entropy", "filefd", "filesystem", "hwmon", "loadavg",
    "mdadm", "meminfo", "netclass", "netdev", "netstat", "nvme", "os", "pressure", "schedstat", "sockstat", "softnet",
    "stat", "thermal_zone", "time", "timex", "uname", "vmstat",
  ]

  /// Runs an exporter on a port of its own for as long as `body` takes, which is given what scrapes it.
  private static func withExporter<Result>(_ body: (() throws -> String) throws -> Result) throws -> Result {
    let port = Int.random(in: 20_000..<30_000)
    var request = SpawnRequest(
      .path(nodeExporter ?? ""),
      arguments: ["exporter", "--web.listen-address=127.0.0.1:\(port)", "--collector.disable-defaults"]
        + collectors.map { "--collector.\($0)" } + [
          "--collector.netdev.device-exclude=^$", "--collector.netclass.ignored-devices=^$",
          "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run/credentials/.+)($|/)", "--log.level=error",
        ],
      environment: ["GOMAXPROCS=1"])
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    request.descriptors = [(null, 0), (null, 1), (null, 2)]
    let child = try request.start()
    defer {
      try? child.pidfd.signal(SIGKILL)
      _ = try? child.pidfd.reap(wait: true)
    }
    for _ in 0..<500 {
      if (try? get(port)) != nil { return try body { try get(port) } }
      usleep(20_000)
    }
    throw CollectorFailure(description: "the exporter does not answer")
  }

  private static func get(_ port: Int) throws -> String {
    let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let connection = Descriptor(owning: raw)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw SyscallError(call: "connect", object: "the exporter", errno: errno) }
    try FileSystem.write(Array("GET /metrics HTTP/1.0\r\n\r\n".utf8), to: connection.raw)
    let answer = String(
      decoding: try FileSystem.readAll(connection.raw, limit: 16 << 20, object: "the exporter"), as: UTF8.self)
    guard let end = answer.firstRange(of: "\r\n\r\n") else { throw CollectorFailure(description: "no body") }
    return String(answer[end.upperBound...])
  }

  /// The series of an exposition, their labels in the order of their names.
  private static func series(_ text: String) -> [String: Double] {
    var found: [String: Double] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      guard let blank = line.lastIndex(of: " "), let value = Double(line[line.index(after: blank)...]) else { continue }
      found[canonical(String(line[..<blank]))] = value
    }
    return found
  }

  private static func canonical(_ name: String) -> String {
    guard let brace = name.firstIndex(of: "{"), name.hasSuffix("}") else { return name }
    var labels: [String] = []
    var isQuoted = false
    var part = ""
    for character in name[name.index(after: brace)...].dropLast() {
      if character == "\"" { isQuoted.toggle() }
      if character == ",", !isQuoted {
        labels.append(part)
        part = ""
      } else {
        part.append(character)
      }
    }
    return name[..<brace] + "{" + (labels + [part]).sorted().joined(separator: ",") + "}"
  }

  private static func own(_ table: inout SeriesTable, _ collectors: inout NodeCollectors) -> [String: Double] {
    table.begin()
    collectors.collect(into: &table)
    var text: [UInt8] = []
    Exposition.prometheus.write(table, to: &text)
    return series(String(decoding: text, as: UTF8.self))
  }

  @Test func `each series of the exporter is there, with its value`() throws {
    var table = SeriesTable()
    var collectors = NodeCollectors(.init(), &table)
    // What is off in one of several rounds was changed by somebody in the middle of it; what is off in each is wrong.
    var wrong: [String: String]?
    try Self.withExporter { scrape in
      for _ in 0..<6 where wrong?.isEmpty != true {
        let before = Self.own(&table, &collectors)
        let text = try scrape()
        let after = Self.own(&table, &collectors)
        let found = Self.compare(Self.series(text), before, after)
        wrong = wrong.map { known in known.filter { found[$0.key] != nil } } ?? found
      }
    }
    #expect(wrong == [:])
  }

  /// The series that are missing or off, and how.
  private static func compare(
    _ all: [String: Double], _ before: [String: Double], _ after: [String: Double]
  ) -> [String: String] {
    let theirs = all.filter { one in
      one.key.hasPrefix("node_") && !["node_scrape_", "node_exporter_"].contains { one.key.hasPrefix($0) }
    }
    #expect(theirs.count > 200)
    var wrong: [String: String] = [:]
    for (name, value) in theirs {
      guard let low = before[name], let high = after[name] else {
        wrong[name] = "missing"
        continue
      }
      // Between the two moments; what goes up and down may have done so in between, by some part of what it is.
      let slack = slack(name, value)
      if value < min(low, high) - slack || value > max(low, high) + slack { wrong[name] = "\(low), \(value), \(high)" }
    }
    return wrong
  }

  private static func slack(_ name: String, _ value: Double) -> Double {
    // Counters and constants have none but for rounding.
    let rounding = abs(value) * 1e-9
    let moving = [
      "node_memory_", "node_load", "node_procs_", "node_sockstat_", "node_filefd_allocated", "node_entropy_",
      "node_filesystem_", "node_disk_io_now", "node_nf_conntrack_entries", "node_arp_entries", "node_timex_",
      "node_netstat_Tcp_CurrEstab", "node_cpu_",
    ]
    guard moving.contains(where: { name.hasPrefix($0) }) else { return rounding }
    // A scheduler that accounts time by ticks may take some idle time back.
    if name.hasPrefix("node_cpu_") { return 0.1 }
    // Memory by 4 MiB, load, sockets and processes by a few.
    return max(name.hasPrefix("node_memory_") || name.hasPrefix("node_filesystem_") ? 4_194_304 : 3, abs(value) * 0.02)
  }

  @Test func `types and units are the exporter's`() throws {
    func types(_ text: String) -> [String: String] {
      var found: [String: String] = [:]
      for line in text.split(separator: "\n") where line.hasPrefix("# TYPE node_") {
        let words = line.split(separator: " ")
        if words.count == 4 { found[String(words[2])] = String(words[3]) }
      }
      return found
    }
    var table = SeriesTable()
    var collectors = NodeCollectors(.init(), &table)
    table.begin()
    collectors.collect(into: &table)
    var text: [UInt8] = []
    Exposition.prometheus.write(table, to: &text)
    let ours = types(String(decoding: text, as: UTF8.self))
    for (name, type) in types(try Self.withExporter { try $0() }) where ours[name] != nil {
      #expect(ours[name] == type, "\(name)")
    }
  }
}
