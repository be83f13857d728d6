// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// `/proc/diskstats` (iostats.rst), and what udev knows of each disk.
struct DiskCollector: Collector {
  let name = "diskstats"
  private let file: KernelFile
  private let roots: KernelRoots
  private let columns: [(family: FamilyID, scale: Double)]
  private let info: FamilyID
  private let fileSystem: FamilyID
  /// By `major:minor name`. Asked for seldom: udev's files change when a disk is formatted or renamed.
  private var known: [(key: [UInt8], properties: UdevProperties)] = []
  private var expected = 0
  private var scrapes = 0
  private static let keptScrapes = 240

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    self.roots = roots
    file = KernelFile("\(roots.proc)/diskstats")
    let sector = 512.0
    let millisecond = 0.001
    let words: [(String, String, MetricKind, Double)] = [
      ("reads_completed_total", "The total number of reads completed successfully.", .counter, 1),
      ("reads_merged_total", "The total number of reads merged.", .counter, 1),
      ("read_bytes_total", "The total number of bytes read successfully.", .counter, sector),
      ("read_time_seconds_total", "The total number of seconds spent by all reads.", .counter, millisecond),
      ("writes_completed_total", "The total number of writes completed successfully.", .counter, 1),
      ("writes_merged_total", "The number of writes merged.", .counter, 1),
      ("written_bytes_total", "The total number of bytes written successfully.", .counter, sector),
      ("write_time_seconds_total", "This is the total number of seconds spent by all writes.", .counter, millisecond),
      ("io_now", "The number of I/Os currently in progress.", .gauge, 1),
      ("io_time_seconds_total", "Total seconds spent doing I/Os.", .counter, millisecond),
      (
        "io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os.", .counter,
        millisecond
      ),
      ("discards_completed_total", "The total number of discards completed successfully.", .counter, 1),
      ("discards_merged_total", "The total number of discards merged.", .counter, 1),
      ("discarded_sectors_total", "The total number of sectors discarded successfully.", .counter, 1),
      (
        "discard_time_seconds_total", "This is the total number of seconds spent by all discards.", .counter,
        millisecond
      ),
      ("flush_requests_total", "The total number of flush requests completed successfully", .counter, 1),
      (
        "flush_requests_time_seconds_total", "This is the total number of seconds spent by all flush requests.",
        .counter, millisecond
      ),
    ]
    columns = words.map { (table.family("node_disk_\($0)", $1, $2, labels: ["device"]), $3) }
    info = table.family(
      "node_disk_info", "Info of /sys/block/<block_device>.",
      labels: ["device", "major", "minor", "path", "model", "serial", "wwn", "revision"])
    fileSystem = table.family(
      "node_disk_filesystem_info", "Info about disk filesystem.",
      labels: ["device", "type", "usage", "uuid", "version"])
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    let bytes = text.bytes.span
    var lines = text.scanner
    expected = 0
    scrapes += 1
    if scrapes % Self.keptScrapes == 0 { known.removeAll(keepingCapacity: true) }
    while let line = lines.line(bytes) {
      var fields = ByteScanner(line)
      guard let major = fields.field(bytes), let minor = fields.field(bytes), let device = fields.field(bytes),
        !Self.isPartition(bytes, device)
      else { continue }
      table.label(bytes, device)
      for (family, scale) in columns {
        // Older kernels have fewer columns.
        guard let value = fields.number(bytes) else { break }
        table.set(family, value * scale)
      }
      let properties = properties(bytes, major, minor, device)
      table.label(bytes, major)
      table.label(bytes, minor)
      for value in [properties.path, properties.model, properties.serial, properties.wwn, properties.revision] {
        table.label(value)
      }
      table.set(info, 1)
      if let content = properties.fileSystem {
        table.clearLabels(keeping: 1)
        for value in [content.type, content.usage, content.uuid, content.version] { table.label(value) }
        table.set(fileSystem, 1)
      }
      table.clearLabels()
    }
  }

  private mutating func properties(
    _ bytes: Span<UInt8>, _ major: Range<Int>, _ minor: Range<Int>, _ device: Range<Int>
  ) -> UdevProperties {
    let key = major.lowerBound..<device.upperBound
    func isKnown(_ place: Int) -> Bool {
      known[place].key.count == key.count
        && key.enumerated().allSatisfy { known[place].key[$0.offset] == bytes[$0.element] }
    }
    if expected < known.count, isKnown(expected) {
      expected += 1
      return known[expected - 1].properties
    }
    if let place = known.indices.first(where: isKnown) { return known[place].properties }
    let number = "\(ByteScanner.text(bytes, major)):\(ByteScanner.text(bytes, minor))"
    let found = UdevProperties(block: number)
    if known.count < 10_000 { known.append((Array(ByteScanner.text(bytes, key).utf8), found)) }
    expected = known.count
    return found
  }

  /// Partitions, loops and floppies, which node_exporter leaves out too.
  static func isPartition(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
    var stem = name
    while let last = stem.last, bytes[last] >= 48, bytes[last] <= 57 { stem = stem.lowerBound..<last }
    guard stem.count < name.count else { return false }
    for word in ["ram", "loop", "fd"] as [StaticString] where ByteScanner.matches(bytes, stem, word) { return true }
    for word in ["hd", "sd", "vd", "xvd"] as [StaticString]
    where ByteScanner.hasPrefix(bytes, stem, word) && stem.count == word.utf8CodeUnitCount + 1 { return true }
    return ByteScanner.hasPrefix(bytes, stem, "nvme") && bytes[stem.upperBound - 1] == UInt8(ascii: "p")
  }
}
