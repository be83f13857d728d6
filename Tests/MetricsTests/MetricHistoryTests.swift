// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Testing

@testable import Metrics

@Suite struct MetricHistoryTests {
  /// A table whose series come, go and change at random, and what each was at each time.
  private struct Model {
    var table = SeriesTable()
    let family: FamilyID
    var rows: [(time: Double, values: [Int: Double])] = []
    var current: [Int: Double] = [:]
    var places: [Int: Int] = [:]

    init() { family = table.family("f", "F.", labels: ["n"]) }

    mutating func step(_ time: Double) {
      for number in 0..<40 {
        switch Int.random(in: 0..<10) {
        case 0: current[number] = nil
        case 1: current[number] = .random(in: -1e6...1e6)
        case 2: current[number] = Double(Int.random(in: 0...1000))
        case 3: current[number, default: 0] += 1
        default: break
        }
      }
      table.begin()
      for (number, value) in current.sorted(by: { $0.key < $1.key }) {
        table.label(number)
        table.set(family, value)
        table.clearLabels()
      }
      rows.append((time, current))
    }

    func place(_ number: Int) -> Int? {
      table.series.firstIndex { String(decoding: $0.key.dropFirst(3), as: UTF8.self) == "\(number)" }
    }
  }

  @Test(arguments: [1 << 20, 4000, 700]) func `it gives back what was, as far as its room goes`(capacity: Int) throws {
    var model = Model()
    var history = MetricHistory(span: 1e9, capacity: capacity)
    for step in 0..<300 {
      model.step(Double(step * 15))
      history.append(model.table, at: Double(step * 15))
      #expect(history.used <= capacity)
    }
    #expect(history.count > (capacity > 100_000 ? 299 : 5))
    let earliest = try #require(history.earliest)
    for number in 0..<40 {
      guard let place = model.place(number) else { continue }
      let found = history.values(of: [place])[0]
      let expected = model.rows.filter { $0.time >= earliest }.compactMap { row in
        row.values[number].map { (row.time, $0) }
      }
      #expect(found.map(\.time) == expected.map(\.0), "\(number)")
      #expect(found.map(\.value) == expected.map(\.1), "\(number)")
    }
  }

  @Test func `what is older than its span is let go`() {
    var model = Model()
    var history = MetricHistory(span: 60, capacity: 1 << 20)
    for step in 0..<20 {
      model.step(Double(step * 15))
      history.append(model.table, at: Double(step * 15))
    }
    #expect(history.earliest == 225)
    #expect(history.count == 5)
  }

  @Test func `a row without room is a new beginning`() {
    var table = SeriesTable()
    let family = table.family("f", "F.", labels: ["n"])
    var history = MetricHistory(span: 3600, capacity: 64)
    for step in 0..<3 {
      table.begin()
      for number in 0..<100 {
        table.label(number)
        table.set(family, Double(step) + 0.1)
        table.clearLabels()
      }
      history.append(table, at: Double(step))
      #expect(history.values(of: [7])[0].map(\.value) == [Double(step) + 0.1])
    }
  }
}
