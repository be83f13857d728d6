// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Testing

@testable import Metrics

@Suite struct SeriesTableTests {
  private static func text(_ table: SeriesTable, _ format: Exposition = .prometheus) -> String {
    var text: [UInt8] = []
    format.write(table, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  @Test func `an exposition has the series of one name together`() {
    var table = SeriesTable()
    let reads = table.family("reads_total", "Reads.", .counter, labels: ["device"])
    let load = table.family("load", "The \"load\"\nof it\\.")
    table.begin()
    for (device, value) in [("a", 1.0), ("b", 2.5)] {
      table.label(device)
      table.set(reads, value)
      table.clearLabels()
      table.set(load, 1e300)
    }
    #expect(
      Self.text(table) == """
        # HELP reads_total Reads.
        # TYPE reads_total counter
        reads_total{device="a"} 1
        reads_total{device="b"} 2.5
        # HELP load The "load"\\nof it\\\\.
        # TYPE load gauge
        load 1e+300

        """)
    #expect(
      Self.text(table, .openMetrics) == """
        # HELP reads Reads.
        # TYPE reads counter
        reads_total{device="a"} 1
        reads_total{device="b"} 2.5
        # HELP load The \\"load\\"\\nof it\\\\.
        # TYPE load gauge
        load 1e+300
        # EOF

        """)
  }

  @Test func `what a scrape does not give is not there any more, and comes back`() {
    var table = SeriesTable()
    let up = table.family("up", "Up.", labels: ["device"])
    for devices in [["a", "b"], ["b"], ["c", "a", "b"], []] {
      table.begin()
      for device in devices {
        table.label(device)
        table.set(up, 1)
        table.clearLabels()
      }
      for device in ["a", "b", "c"] {
        #expect(table.value("up", device) == (devices.contains(device) ? 1 : nil), "\(devices) \(device)")
      }
      #expect(table.liveCount == devices.count)
    }
  }

  @Test func `labels are escaped, and what is no UTF-8 is repaired`() {
    var table = SeriesTable()
    let info = table.family("info", "Info.", labels: ["name", "other"])
    table.begin()
    let bytes: [UInt8] = Array("a\"b\\c\nd".utf8) + [0xff, 0xfe]
    table.label(bytes.span, 0..<bytes.count)
    table.label("")
    table.set(info, .nan)
    #expect(Self.text(table).hasSuffix("info{name=\"a\\\"b\\\\c\\nd\u{fffd}\",other=\"\"} NaN\n"))
  }

  @Test func `the labels that stay are the first ones`() {
    var table = SeriesTable()
    let family = table.family("f", "F.", labels: ["a", "b", "c"])
    table.begin()
    for word in ["1", "2", "3"] { table.label(word) }
    table.set(family, 1)
    table.clearLabels(keeping: 2)
    table.label("4")
    table.set(family, 2)
    table.clearLabels(keeping: 1)
    table.label("")
    table.label("")
    table.set(family, 3)
    table.clearLabels()
    table.set(family, 4)
    #expect(table.value("f", "1", "2", "3") == 1)
    #expect(table.value("f", "1", "2", "4") == 2)
    #expect(table.value("f", "1", "", "") == 3)
    #expect(table.value("f") == 4)
  }

  @Test func `series that are gone from the history give their places to others`() throws {
    var table = SeriesTable()
    var history = MetricHistory()
    let family = table.family("f", "F.", labels: ["n"])
    for row in 0..<3000 {
      table.begin()
      table.label(row)
      table.set(family, Double(row))
      table.clearLabels()
      history.append(table, at: Double(row) * 15)
      table.recorded(history.added, keeping: history.firstKept)
      // No value that the history has is somebody else's.
      let places = table.live("f")
      #expect(history.values(of: places).map { $0.map(\.value) } == [[Double(row)]])
    }
    #expect(table.series.count < 1000)
    #expect(table.value("f", "2999") == 2999)
    #expect(table.liveCount == 1)
  }

  @Test func `many scrapes between two rows give no place away`() {
    var table = SeriesTable()
    var history = MetricHistory()
    let family = table.family("f", "F.", labels: ["n"])
    for scrape in 0..<1000 {
      table.begin()
      table.label(scrape)
      table.set(family, 1)
      table.clearLabels()
      if scrape % 300 == 0 {
        history.append(table, at: Double(scrape))
        table.recorded(history.added, keeping: history.firstKept)
      }
    }
    #expect(table.series.count == 1000)
  }

  @Test func `more series than there can be are left out and counted`() {
    var table = SeriesTable()
    let family = table.family("f", "F.", labels: ["n"])
    table.begin()
    for number in 0..<SeriesTable.mostSeries + 10 {
      table.label(number)
      table.set(family, 1)
      table.clearLabels()
    }
    #expect(table.dropped == 10)
    #expect(table.liveCount == SeriesTable.mostSeries)
  }

  @Test(arguments: [
    ("", Exposition.prometheus), ("*/*", .prometheus), ("text/plain", .prometheus),
    ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics),
    ("application/openmetrics-text; q=0.2, text/plain; q=0.9", .prometheus),
    ("application/openmetrics-text;q=0", .prometheus), ("Application/OpenMetrics-Text", .openMetrics),
  ])
  func `a client gets the format that it asks for`(header: String, format: Exposition) {
    #expect(Exposition(accepting: header) == format)
  }

  @Test(arguments: [
    (0.0, "0"), (-3, "-3"), (1.5, "1.5"), (9_007_199_254_740_991, "9007199254740991"), (.infinity, "+Inf"),
    (-.infinity, "-Inf"), (1e21, "1e+21"),
  ])
  func `numbers are written as others read them`(value: Double, text: String) {
    var bytes: [UInt8] = []
    Exposition.append(value, to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == text)
  }
}
