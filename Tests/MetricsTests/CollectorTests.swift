// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

@testable import Metrics

/// Each collector over files as kernels write them.
@Suite struct CollectorTests {
  /// A file, and the series that have to come of it.
  struct Reading: Sendable, CustomTestStringConvertible {
    let path: String
    let text: String
    let series: [(String, [String], Double?)]
    var testDescription: String { path }
  }

  static let readings: [Reading] = [
    Reading(
      path: "proc/stat",
      text: """
        cpu  10 20 30 40 50 60 70 80 90 100
        cpu0 100 200 300 400 500 600 700 800 900 1000
        cpu17 1 2 3
        intr 12345 1 2 3
        ctxt 777
        btime 1700000000
        processes 99
        procs_running 3
        procs_blocked 1
        softirq 1 2
        """,
      series: [
        ("node_cpu_seconds_total", ["0", "user"], 1), ("node_cpu_seconds_total", ["0", "steal"], 8),
        ("node_cpu_guest_seconds_total", ["0", "nice"], 10), ("node_cpu_seconds_total", ["17", "system"], 0.03),
        ("node_cpu_seconds_total", ["17", "idle"], nil), ("node_intr_total", [], 12345),
        ("node_context_switches_total", [], 777), ("node_boot_time_seconds", [], 1_700_000_000),
        ("node_forks_total", [], 99), ("node_procs_running", [], 3), ("node_procs_blocked", [], 1),
      ]),
    Reading(
      path: "proc/loadavg", text: "0.51 1.25 2.00 1/100 1234\n",
      series: [("node_load1", [], 0.51), ("node_load5", [], 1.25), ("node_load15", [], 2)]),
    Reading(
      path: "proc/meminfo", text: "MemTotal:  1000 kB\nActive(anon):  5 kB\nHugePages_Total:   7\nOdd-Name: 1 kB\n",
      series: [
        ("node_memory_MemTotal_bytes", [], 1_024_000), ("node_memory_Active_anon_bytes", [], 5120),
        ("node_memory_HugePages_Total", [], 7), ("node_memory_Odd_Name_bytes", [], 1024),
      ]),
    Reading(
      path: "proc/vmstat", text: "nr_free_pages 5\npgfault 6\npgmajfault 7\npswpin 8\noom_kill 9\npgpgin 1\n",
      series: [
        ("node_vmstat_nr_free_pages", [], nil), ("node_vmstat_pgfault", [], 6), ("node_vmstat_pgmajfault", [], 7),
        ("node_vmstat_pswpin", [], 8), ("node_vmstat_oom_kill", [], 9), ("node_vmstat_pgpgin", [], 1),
      ]),
    Reading(
      path: "proc/net/sockstat",
      text: "sockets: used 11\nTCP: inuse 2 orphan 0 tw 3 alloc 4 mem 5\nFRAG: inuse 0 memory 6\n",
      series: [
        ("node_sockstat_sockets_used", [], 11), ("node_sockstat_TCP_tw", [], 3), ("node_sockstat_TCP_mem", [], 5),
        ("node_sockstat_TCP_mem_bytes", [], 5 * Double(sysconf(Int32(_SC_PAGESIZE)))),
        ("node_sockstat_FRAG_memory", [], 6),
      ]),
    Reading(
      path: "proc/net/softnet_stat",
      text: """
        000000ff 00000001 00000002 00000000 0 0 0 0 0 0 0 0 00000000
        00000010 00000000 00000000 00000000 0 0 0 0 0 0 0 0 00000005
        """,
      series: [
        ("node_softnet_processed_total", ["0"], 255), ("node_softnet_dropped_total", ["0"], 1),
        ("node_softnet_times_squeezed_total", ["0"], 2), ("node_softnet_processed_total", ["5"], 16),
      ]),
    Reading(
      path: "proc/pressure/cpu",
      text: "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
      series: [
        ("node_pressure_cpu_waiting_seconds_total", [], 1.5), ("node_pressure_cpu_stalled_seconds_total", [], nil),
      ]),
    Reading(
      path: "proc/diskstats",
      text: """
         254       0 vda 1 2 3 4000 5 6 7 8000 9 10000 11000 12 13 14 15000 16 17000
         254       1 vda1 1 1 1 1 1 1 1 1 1 1 1
         259       0 nvme0n1 100 0 0 0 0 0 0 0 0 0 0
         259       1 nvme0n1p1 100 0 0 0 0 0 0 0 0 0 0
           7       0 loop0 1 1 1 1 1 1 1 1 1 1 1
         253       0 dm-0 3 0 0 0 0 0 0 0 0 0 0
        """,
      series: [
        ("node_disk_reads_completed_total", ["vda"], 1), ("node_disk_read_bytes_total", ["vda"], 1536),
        ("node_disk_read_time_seconds_total", ["vda"], 4), ("node_disk_written_bytes_total", ["vda"], 3584),
        ("node_disk_io_now", ["vda"], 9), ("node_disk_io_time_weighted_seconds_total", ["vda"], 11),
        ("node_disk_discarded_sectors_total", ["vda"], 14),
        ("node_disk_flush_requests_time_seconds_total", ["vda"], 17),
        ("node_disk_reads_completed_total", ["vda1"], nil), ("node_disk_reads_completed_total", ["nvme0n1"], 100),
        ("node_disk_discards_completed_total", ["nvme0n1"], nil),
        ("node_disk_reads_completed_total", ["nvme0n1p1"], nil), ("node_disk_reads_completed_total", ["loop0"], nil),
        ("node_disk_reads_completed_total", ["dm-0"], 3),
      ]),
    Reading(
      path: "proc/net/arp",
      text: """
        IP address       HW type     Flags       HW address            Mask     Device
        10.0.0.1         0x1         0x2         02:00:00:00:00:01     *        eth0
        10.0.0.2         0x1         0x2         02:00:00:00:00:02     *        eth0
        10.1.0.2         0x1         0x2         02:00:00:00:00:03     *        br0
        """,
      series: [("node_arp_entries", ["eth0"], 2), ("node_arp_entries", ["br0"], 1)]),
    Reading(
      path: "proc/sys/fs/file-nr", text: "1024\t0\t9007199254740991\n",
      series: [("node_filefd_allocated", [], 1024), ("node_filefd_maximum", [], 9_007_199_254_740_991)]),
    Reading(
      path: "proc/schedstat",
      text: "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 2000000000 1000000000 7\ndomain0 3 1 2\n",
      series: [
        ("node_schedstat_running_seconds_total", ["0"], 2), ("node_schedstat_waiting_seconds_total", ["0"], 1),
        ("node_schedstat_timeslices_total", ["0"], 7),
      ]),
    Reading(
      path: "proc/mdstat",
      text: """
        Personalities : [raid1] [raid6]
        md0 : active raid1 sdb1[2](F) sda1[0] sdc1[3](S)
              1046528 blocks super 1.2 [2/1] [U_]
              [==>..................]  recovery = 12.6% (131072/1046528) finish=0.1min speed=131072K/sec

        md1 : inactive sdd[0](S)
              500 blocks

        unused devices: <none>
        """,
      series: [
        ("node_md_state", ["md0", "recovering"], 1), ("node_md_state", ["md0", "active"], 0),
        ("node_md_disks_required", ["md0"], 2), ("node_md_disks", ["md0", "active"], 1),
        ("node_md_disks", ["md0", "failed"], 1), ("node_md_disks", ["md0", "spare"], 1),
        ("node_md_blocks", ["md0"], 1_046_528), ("node_md_blocks_synced", ["md0"], 131_072),
        ("node_md_state", ["md1", "inactive"], 1), ("node_md_blocks_synced", ["md1"], 500),
      ]),
    Reading(
      path: "etc/os-release", text: "ID=debian\nNAME='Debian GNU/Linux'\nVERSION_ID=\"12.5.1\"\n# x\nodd\n",
      series: [("node_os_version", ["debian", "", "Debian GNU/Linux"], 12.5)]),
    Reading(
      path: "sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq", text: "1800000\n",
      series: [("node_cpu_scaling_frequency_hertz", ["3"], 1.8e9)]),
    Reading(
      path: "sys/class/hwmon/hwmon0/temp1_input", text: "42500\n",
      series: [("node_hwmon_temp_celsius", ["hwmon0", "temp1"], 42.5)]),
    Reading(
      path: "sys/class/thermal/thermal_zone0/temp", text: "51000\n",
      series: [("node_thermal_zone_temp", ["0", ""], 51)]),
    Reading(
      path: "sys/class/nvme/nvme0/model", text: "A Drive  \n",
      series: [("node_nvme_info", ["nvme0", "", "A Drive", "", ""], 1)]),
  ]

  @Test(arguments: readings) func `a kernel's file becomes series`(reading: Reading) throws {
    let machine = try MachineFixture([reading.path: reading.text])
    let (table, _) = machine.scrape()
    for (name, labels, value) in reading.series {
      let found = table.live(name).first { place in table.labels(of: place).map(\.value) == labels }
      #expect(found.map { table.value($0) } == value, "\(name)\(labels)")
    }
  }

  @Test func `protocols' counters are paired with their names`() throws {
    let machine = try MachineFixture([
      "proc/net/netstat": "TcpExt: SyncookiesSent Foo ListenDrops\nTcpExt: 1 2 3\nIpExt: InOctets\nIpExt: 4\n",
      "proc/net/snmp": "Tcp: ActiveOpens MaxConn InErrs\nTcp: 5 -1 6\nOdd: A B\nOther: 1 2\nUdp: InErrors\nUdp: 7\n",
      "proc/net/snmp6": "Ip6InOctets 8\nIcmp6InMsgs 9\nUdpLite6InErrors 10\nNoNumber\n",
    ])
    let (table, failures) = machine.scrape()
    #expect(failures["netstat"] == nil)
    for (name, value) in [
      ("TcpExt_SyncookiesSent", 1), ("TcpExt_ListenDrops", 3), ("IpExt_InOctets", 4), ("Tcp_ActiveOpens", 5),
      ("Tcp_InErrs", 6), ("Udp_InErrors", 7), ("Ip6_InOctets", 8), ("Icmp6_InMsgs", 9), ("UdpLite6_InErrors", 10),
    ] { #expect(table.value("node_netstat_\(name)") == Double(value), "\(name)") }
    #expect(table.value("node_netstat_TcpExt_Foo") == nil)
    #expect(table.value("node_netstat_Tcp_MaxConn") == nil)
  }

  @Test func `tracked connections are summed over the processors, by the columns' names`() throws {
    let machine = try MachineFixture([
      "proc/sys/net/netfilter/nf_conntrack_count": "12\n", "proc/sys/net/netfilter/nf_conntrack_max": "100\n",
      "proc/net/stat/nf_conntrack": "entries  searched found drop\n0a 1 0f 1\n0a 1 01 2\n",
    ])
    let (table, _) = machine.scrape()
    #expect(table.value("node_nf_conntrack_entries") == 12)
    #expect(table.value("node_nf_conntrack_entries_limit") == 100)
    #expect(table.value("node_nf_conntrack_stat_found") == 16)
    #expect(table.value("node_nf_conntrack_stat_drop") == 3)
    #expect(table.value("node_nf_conntrack_stat_insert") == nil)
  }

  @Test func `the mount table is read with its escapes, and what is no disk is left out`() {
    let text = KernelText(
      """
      /dev/vda / ext4 rw,relatime 0 0
      /dev/vda / ext4 rw,relatime 0 0
      /dev/vdb /mnt/with\\040blank\\134and ext4 ro,noatime 0 0
      proc /proc proc rw 0 0
      tmpfs /dev/shm tmpfs rw 0 0
      tmpfs /run tmpfs rw 0 0
      tmpfs /run/credentials/a.service tmpfs ro 0 0
      host:/data /data nfs4 rw 0 0
      """)
    let mounts = FileSystemCollector.parse(text)
    #expect(mounts.map(\.path) == ["/", "/mnt/with blank\\and", "/run", "/data"])
    #expect(mounts.map(\.isReadOnly) == [false, true, false, false])
    #expect(mounts.map(\.isFar) == [false, false, false, true])
  }

  @Test func `what a machine does not have is told, and the rest is there`() throws {
    let machine = try MachineFixture(["proc/loadavg": "1 2 3\n"])
    let (table, failures) = machine.scrape()
    #expect(table.value("node_load1") == 1)
    #expect(table.value("node_scrape_collector_success", "loadavg") == 1)
    #expect(table.value("node_scrape_collector_success", "stat") == 0)
    #expect(failures["stat"]?.contains("ENOENT") ?? false)
    #expect(failures["loadavg"] == nil)
  }

  @Test func `a file that comes back is read again`() throws {
    let machine = try MachineFixture(["proc/loadavg": "1 2 3\n"])
    var table = SeriesTable()
    var collectors = NodeCollectors(machine.roots, &table)
    func scrape() {
      table.begin()
      collectors.collect(into: &table)
    }
    scrape()
    try machine.write("proc/loadavg", Array("4 5 6\n".utf8))
    try machine.write("proc/stat", Array("ctxt 5\n".utf8))
    scrape()
    #expect(table.value("node_load5") == 5)
    #expect(table.value("node_context_switches_total") == 5)
    #expect(collectors.failures["stat"] == nil)
  }

  // MARK: - Hostile text

  @Test func `whatever the files hold, a scrape ends and its exposition is sound`() throws {
    var random = SystemRandomNumberGenerator()
    let machine = try MachineFixture()
    let originals = Self.readings.map { ($0.path, Array($0.text.utf8)) }
    for round in 0..<60 {
      for (path, original) in originals {
        var bytes = original
        for _ in 0..<Int.random(in: 0...8, using: &random) where !bytes.isEmpty {
          let at = Int.random(in: 0..<bytes.count, using: &random)
          switch UInt8.random(in: 0...3, using: &random) {
          case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
          case 1: bytes.remove(at: at)
          case 2: bytes.insert(contentsOf: bytes[..<at].suffix(20), at: at)
          default: bytes.removeSubrange(at...)
          }
        }
        try machine.write(path, bytes)
      }
      let (table, _) = machine.scrape()
      var text: [UInt8] = []
      Exposition.openMetrics.write(table, to: &text)
      let lines = String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
      #expect(String(validating: text, as: UTF8.self) != nil, "round \(round)")
      #expect(lines.suffix(2) == ["# EOF", ""])
      for line in lines.dropLast() where !line.hasPrefix("#") {
        #expect(
          Double(line[line.index(after: line.lastIndex(of: " ")!)...].replacing("+Inf", with: "inf")) != nil, "\(line)")
      }
    }
  }

  @Test func `random answers of netlink are refused or read, and never read beyond`() {
    var random = SystemRandomNumberGenerator()
    // One interface: a header, ifinfomsg, a name, statistics.
    var message: [UInt8] = []
    func add32(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { message.append(contentsOf: $0) } }
    add32(16 + 16 + 12 + 196)
    add32(16)
    add32(7)
    add32(0)
    message += [0, 0, 1, 0]
    for value in [3, 1, 0] as [UInt32] { add32(value) }
    message += [9, 0, 3, 0] + Array("eth0".utf8) + [0, 0, 0, 0] + [196, 0, 23, 0]
    for value in 0..<24 as Range<UInt64> { withUnsafeBytes(of: value.littleEndian) { message.append(contentsOf: $0) } }
    var names: [String] = []
    var bytes: [Double] = []
    _ = try? LinkDump.parse(message.span, count: message.count, sequence: 7) { link, span in
      names.append(ByteScanner.text(span, link.name))
      bytes.append(LinkDump.counter(2, of: link, span))
    }
    #expect(names == ["eth0"])
    #expect(bytes == [2])
    for _ in 0..<20_000 {
      var changed = message
      for _ in 0..<4 {
        changed[Int.random(in: 0..<changed.count, using: &random)] = .random(in: 0...255, using: &random)
      }
      let count = Int.random(in: 0...changed.count, using: &random)
      _ = try? LinkDump.parse(changed.span, count: count, sequence: 7) { link, span in
        _ = (0..<24).map { LinkDump.counter($0, of: link, span) }
        _ = ByteScanner.text(span, link.name) + ByteScanner.text(span, link.alias)
      }
    }
  }
}
