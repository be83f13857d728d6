// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The text formats by which others scrape (Prometheus text 0.0.4, OpenMetrics 1.0.0).
public enum Exposition: Sendable, CaseIterable {
  case prometheus, openMetrics

  public var contentType: String {
    switch self {
    case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
    case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
    }
  }

  /// The one that a client asks for by its `Accept` header (RFC 9110, section 12.5.1); OpenMetrics only where it is named
  /// and not less wanted than plain text.
  public init(accepting header: String) {
    var quality: [Exposition: Double] = [.prometheus: 0, .openMetrics: 0]
    for range in header.lowercased().split(separator: ",") {
      let parts = range.split(separator: ";").map { $0.filter { !$0.isWhitespace } }
      let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
      switch parts.first {
      case "application/openmetrics-text": quality[.openMetrics] = max(quality[.openMetrics] ?? 0, weight)
      case "text/plain", "text/*", "*/*": quality[.prometheus] = max(quality[.prometheus] ?? 0, weight)
      default: break
      }
    }
    let wanted = quality[.openMetrics] ?? 0
    self = wanted > 0 && wanted >= quality[.prometheus] ?? 0 ? .openMetrics : .prometheus
  }

  /// Appends all that the table has now.
  public func write(_ table: borrowing SeriesTable, to text: inout [UInt8]) {
    for index in table.families.indices {
      var isBegun = false
      for place in table.members[index] where table.isLive(place) {
        if !isBegun { text.append(contentsOf: table.heads[index][self] ?? []) }
        isBegun = true
        text.append(contentsOf: table.series[place].line)
        Self.append(table.values[place], to: &text)
        text.append(UInt8(ascii: "\n"))
      }
    }
    if self == .openMetrics { text.append(contentsOf: "# EOF\n".utf8) }
  }

  func head(_ family: MetricFamily) -> [UInt8] {
    let name = self == .openMetrics ? family.openMetricsName : family.name
    var text = Array("# HELP \(name) ".utf8)
    for byte in family.help.utf8 {
      switch byte {
      case UInt8(ascii: "\\"): text.append(contentsOf: "\\\\".utf8)
      case UInt8(ascii: "\n"): text.append(contentsOf: "\\n".utf8)
      case UInt8(ascii: "\"") where self == .openMetrics: text.append(contentsOf: "\\\"".utf8)
      default: text.append(byte)
      }
    }
    let kind = self == .openMetrics ? family.kind.openMetrics : family.kind.rawValue
    text.append(contentsOf: "\n# TYPE \(name) \(kind)\n".utf8)
    return text
  }

  /// Appends a number; whole ones without a fraction.
  static func append(_ value: Double, to text: inout [UInt8]) {
    guard value.isFinite else {
      return text.append(contentsOf: (value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf").utf8)
    }
    guard let whole = Int64(exactly: value), whole.magnitude < 1 << 53 else {
      return text.append(contentsOf: value.description.utf8)
    }
    if whole < 0 { text.append(UInt8(ascii: "-")) }
    let start = text.count
    var left = whole.magnitude
    repeat {
      text.append(UInt8(ascii: "0") + UInt8(left % 10))
      left /= 10
    } while left > 0
    text[start...].reverse()
  }
}
