// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Testing

@testable import Metrics

@Suite struct ExpressionTests {
  /// Two file-systems, a counter that begins anew, and what they were every 15 s for five minutes.
  private static func machine() -> (SeriesTable, MetricHistory, Double) {
    var table = SeriesTable()
    var history = MetricHistory()
    let free = table.family("free_bytes", "Free.", labels: ["mount", "type"])
    let size = table.family("size_bytes", "Size.", labels: ["mount", "type"])
    let reads = table.family("reads_total", "Reads.", .counter, labels: ["disk"])
    let load = table.family("load", "Load.")
    var now = 1000.0
    for step in 0..<21 {
      now = 1000 + Double(step) * 15
      table.begin()
      for (mount, type, left) in [("/", "ext4", 5.0), ("/home", "ext4", 60), ("/tmp", "tmpfs", 90)] {
        table.label(mount)
        table.label(type)
        table.set(free, left)
        table.set(size, 100)
        table.clearLabels()
      }
      table.label("a")
      table.set(reads, Double(step) * 30)
      table.clearLabels()
      table.label("b")
      // Began anew in the middle.
      table.set(reads, Double(step % 11) * 15)
      table.clearLabels()
      table.set(load, Double(step))
      history.append(table, at: now)
    }
    return (table, history, now)
  }

  private static func answer(_ text: String) throws -> [String] {
    let (table, history, now) = machine()
    return try ExpressionEvaluator(table, history, now: now).samples(Expression(text)).map { sample in
      let labels = sample.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
      return "{\(labels)} \(sample.value)"
    }.sorted()
  }

  @Test(
    arguments: [
      ("1 + 2 * 3", ["{} 7.0"]), ("(1 + 2) * 3", ["{} 9.0"]), ("-2 ^ 2", ["{} -4.0"]), ("2 ^ 3 ^ 2", ["{} 512.0"]),
      ("7 % 4", ["{} 3.0"]), ("1 > 2", []), ("2 > 1", ["{} 1.0"]), ("1e3 / 4", ["{} 250.0"]),
      ("10 - 2 - 3", ["{} 5.0"]),
      ("time()", ["{} 1300.0"]), ("0", []),
      ("load", ["{__name__=load} 20.0"]), ("-load", ["{} -20.0"]), ("load > 19", ["{__name__=load} 20.0"]),
      ("load > 20", []), ("20 == load", ["{__name__=load} 20.0"]), ("load > bool 20", ["{} 0.0"]),
      ("free_bytes{mount=\"/\"}", ["{__name__=free_bytes,mount=/,type=ext4} 5.0"]),
      ("free_bytes{type!=\"ext4\"}", ["{__name__=free_bytes,mount=/tmp,type=tmpfs} 90.0"]),
      ("free_bytes{mount=~\"/h.*|/t.*\", type!~\"tmp.*\"}", ["{__name__=free_bytes,mount=/home,type=ext4} 60.0"]),
      ("free_bytes{mount=~\"/h\"}", []), ("{__name__=\"load\"}", ["{__name__=load} 20.0"]),
      ("free_bytes / size_bytes < 0.1", ["{mount=/,type=ext4} 0.05"]),
      ("100 - free_bytes{mount=\"/\"}", ["{mount=/,type=ext4} 95.0"]),
      ("sum(free_bytes)", ["{} 155.0"]), ("avg by (type) (free_bytes)", ["{type=ext4} 32.5", "{type=tmpfs} 90.0"]),
      ("max(free_bytes) without (mount)", ["{type=ext4} 60.0", "{type=tmpfs} 90.0"]),
      ("count(free_bytes > 10)", ["{} 2.0"]),
      ("min(free_bytes)", ["{} 5.0"]),
      (
        "sum by (type) (free_bytes) / on(type) sum by (type) (size_bytes)",
        ["{type=ext4} 0.325", "{type=tmpfs} 0.9"]
      ),
      ("free_bytes and size_bytes{mount=\"/\"}", ["{__name__=free_bytes,mount=/,type=ext4} 5.0"]),
      ("free_bytes unless on(type) size_bytes{mount=\"/\"}", ["{__name__=free_bytes,mount=/tmp,type=tmpfs} 90.0"]),
      ("load or free_bytes{mount=\"/\"}", ["{__name__=free_bytes,mount=/,type=ext4} 5.0", "{__name__=load} 20.0"]),
      ("absent(nothing)", ["{} 1.0"]), ("absent(load)", []), ("abs(-load)", ["{} 20.0"]),
      ("rate(reads_total{disk=\"a\"}[1m])", ["{disk=a} 2.0"]),
      ("increase(reads_total[2m])", ["{disk=a} 240.0", "{disk=b} 120.0"]),
      ("increase(reads_total{disk=\"b\"}[5m])", ["{disk=b} 285.0"]), ("delta(load[1m])", ["{} 4.0"]),
      ("avg_over_time(load[30s])", ["{} 19.0"]), ("min_over_time(load[1m])", ["{} 16.0"]),
      ("max_over_time(load[1m])", ["{} 20.0"]), ("changes(free_bytes{mount=\"/\"}[5m])", ["{mount=/,type=ext4} 0.0"]),
      ("rate(nothing[5m])", []), ("sum", []),
    ] as [(String, [String])])
  func `an expression has its answer`(text: String, expected: [String]) throws {
    #expect(try Self.answer(text) == expected)
  }

  @Test(arguments: [
    ("", "at 1"), ("load >", "at 7"), ("load[5m]", "needs a function"), ("rate(load)", "rate(name[5m])"),
    ("rate(load[5m]", "there should be \")\""), ("nosuch(load)", "there is no function nosuch; there are rate"),
    ("load{a=b}", "a text in quotes"), ("load{a=~\"(\"}", "no regular expression"), ("load{", "a label's name"),
    ("{}", "every series"), ("load[2h]", "at most an hour"), ("load[x]", "a duration"), ("1..2", "neither a number"),
    ("5x", "neither a number"), ("load $ 1", "has no meaning"), ("\"text", "has no end"),
    ("load load", "should end here"),
    ("load bool 1", "should end here"), ("load + bool 1", "bool belongs to a comparison"), ("5m", "a duration stands"),
    ("load[5m] > 1", "needs a function"), ("sum(load[5m])", "needs a function"),
    (String(repeating: "(", count: 200) + "1" + String(repeating: ")", count: 200), "too deeply"),
    (String(repeating: "-", count: 300) + "1", "too deeply"),
    (String(repeating: "1+", count: 3000) + "1", "at most 4096"),
  ])
  func `what is none is refused with its place`(text: String, words: String) throws {
    let error = try #require(throws: ExpressionError.self) { try Expression(text) }
    #expect(error.description.contains(words), "\(error)")
  }

  @Test(arguments: ["free_bytes + on(type) size_bytes", "1 and 2", "sum(1)", "free_bytes and 1"])
  func `what has no answer says why`(text: String) throws {
    let error = try #require(throws: ExpressionError.self) { _ = try Self.answer(text) }
    #expect(!error.description.isEmpty)
  }

  @Test func `random texts end`() {
    var random = SystemRandomNumberGenerator()
    let words = [
      "load", "free_bytes", "{", "}", "mount", "=", "\"/\"", "=~", "[5m]", "(", ")", "rate", "sum", "by", "and", "or",
      "-",
      "+", ">", "bool", "on", ",", "1", "^", "time()", "[", "é", "\u{0}", "'", "\\",
    ]
    let (table, history, now) = Self.machine()
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...14, using: &random)).map { _ in words.randomElement(using: &random) ?? "" }
      if let expression = try? Expression(text.joined(separator: Bool.random(using: &random) ? " " : "")) {
        _ = try? ExpressionEvaluator(table, history, now: now).samples(expression)
      }
    }
  }
}
