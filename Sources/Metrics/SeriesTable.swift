// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The latest value of each series, and the text that stands before it in an exposition.
///
/// A scrape gives all values again, mostly in the same order: the next series is expected to be the one after the last, so
/// that nothing has to be looked up, and nothing is allocated for one that is known.
public struct SeriesTable: Sendable {
  /// One series; its place in the table stays the same as long as it lives.
  struct Series: Sendable {
    let family: Int
    /// The label values, each behind a separator.
    let key: [UInt8]
    /// What stands before the value in an exposition: `name{device="sda",mode="x"} `.
    let line: [UInt8]
    /// Counts scrapes: the last one that had it; 0 when its place is free.
    var seen: UInt64
    /// The rows that the history had then.
    var rows: UInt64
  }

  private(set) var families: [MetricFamily] = []
  /// What stands before the series of each family in both formats.
  private(set) var heads: [[Exposition: [UInt8]]] = []
  /// The series of each family, in the order in which they came.
  private(set) var members: [[Int]] = []
  private(set) var series: [Series] = []
  private(set) var values: [Double] = []
  /// Counts scrapes.
  private(set) var scrape: UInt64 = 0
  private var rows: UInt64 = 0
  private var byName: [String: FamilyID] = [:]
  private var index: [[UInt8]: Int] = [:]
  private var free: [Int] = []
  private var expected = 0
  /// The label values for what comes next, with room for the family before them.
  private var key: [UInt8] = [0, 0]
  /// Values that were left out because there are too many series.
  public private(set) var dropped: UInt64 = 0

  /// More series than a node with 1,000 containers has; what a hostile or broken source makes beyond them is left out.
  public static let mostSeries = 100_000
  static let mostFamilies = 5000
  private static let separator: UInt8 = 0xff

  public init() {}

  public var liveCount: Int { series.count { $0.seen == scrape } }

  // MARK: - Families

  /// The family of that name, made where there is none; the first one's help and kind stay.
  public mutating func family(
    _ name: String, _ help: String, _ kind: MetricKind = .gauge, labels: [String] = []
  ) -> FamilyID {
    if let known = byName[name] { return known }
    guard families.count < Self.mostFamilies else { return FamilyID(index: -1) }
    families.append(MetricFamily(name: name, help: help, kind: kind, labels: labels))
    members.append([])
    heads.append(
      Dictionary(uniqueKeysWithValues: Exposition.allCases.map { ($0, $0.head(families[families.count - 1])) }))
    let id = FamilyID(index: families.count - 1)
    byName[name] = id
    return id
  }

  // MARK: - A scrape

  /// Begins a scrape: what is not given in it is not there any more.
  public mutating func begin() {
    scrape += 1
    expected = 0
    clearLabels()
  }

  /// Tells that the history has taken the values, so that a series' place goes to another one only when no row that the
  /// history still has speaks of it.
  ///
  /// - Parameters:
  ///   - count: rows that it has ever taken.
  ///   - earliest: which of them it still has, the first being 1.
  public mutating func recorded(_ count: UInt64, keeping earliest: UInt64) {
    rows = count
    if count % 64 == 0 { forget(before: earliest) }
  }

  /// Adds the next label's value to those that go with what is set from now on.
  mutating func label(_ bytes: Span<UInt8>, _ range: Range<Int>) {
    key.append(Self.separator)
    for index in range where bytes[index] != Self.separator { key.append(bytes[index]) }
  }

  mutating func label(_ word: StaticString) {
    key.append(Self.separator)
    word.withUTF8Buffer { key.append(contentsOf: $0) }
  }

  public mutating func label(_ text: String) {
    key.append(Self.separator)
    key.append(contentsOf: text.utf8)
  }

  /// Adds a number as the next label's value.
  mutating func label(_ number: Int) {
    key.append(Self.separator)
    Exposition.append(Double(number), to: &key)
  }

  /// What is set from now on has no labels, but for the first so many.
  public mutating func clearLabels(keeping count: Int = 0) {
    var end = 2
    for _ in 0..<count where end < key.count {
      end += 1
      while end < key.count, key[end] != Self.separator { end += 1 }
    }
    key.removeLast(key.count - end)
  }

  /// Sets the value of a series for this scrape.
  public mutating func set(_ family: FamilyID, _ value: Double) {
    guard family.index >= 0 else { return dropped &+= 1 }
    key[0] = UInt8(truncatingIfNeeded: family.index >> 8)
    key[1] = UInt8(truncatingIfNeeded: family.index)
    if expected < series.count, series[expected].family == family.index, series[expected].key == key {
      return put(expected, value)
    }
    if let known = index[key] { return put(known, value) }
    guard let added = add(family) else { return dropped &+= 1 }
    put(added, value)
  }

  /// A value without a sensible number is none.
  mutating func set(_ family: FamilyID, _ value: Double?) {
    if let value { set(family, value) }
  }

  private mutating func put(_ place: Int, _ value: Double) {
    values[place] = value
    series[place].seen = scrape
    series[place].rows = rows
    expected = place + 1
  }

  private mutating func add(_ family: FamilyID) -> Int? {
    let place: Int
    let added = Series(family: family.index, key: key, line: rendered(families[family.index]), seen: scrape, rows: rows)
    if let old = free.popLast() {
      series[old] = added
      place = old
    } else {
      guard series.count < Self.mostSeries else { return nil }
      series.append(added)
      values.append(.nan)
      place = series.count - 1
    }
    index[key] = place
    members[family.index].append(place)
    return place
  }

  private func rendered(_ family: MetricFamily) -> [UInt8] {
    let given = key.dropFirst(3).split(separator: Self.separator, omittingEmptySubsequences: false)
    var text = Array(family.name.utf8)
    guard key.count > 2, !family.labels.isEmpty else { return text + [UInt8(ascii: " ")] }
    for (index, (name, value)) in zip(family.labels, given).enumerated() {
      text.append(UInt8(ascii: index == 0 ? "{" : ","))
      text.append(contentsOf: name.utf8)
      text.append(contentsOf: "=\"".utf8)
      // What is no UTF-8 is repaired: an exposition has to be.
      for byte in String(decoding: value, as: UTF8.self).utf8 {
        switch byte {
        case UInt8(ascii: "\\"), UInt8(ascii: "\""): text.append(contentsOf: [UInt8(ascii: "\\"), byte])
        case UInt8(ascii: "\n"): text.append(contentsOf: "\\n".utf8)
        default: text.append(byte)
        }
      }
      text.append(UInt8(ascii: "\""))
    }
    text.append(contentsOf: "} ".utf8)
    return text
  }

  /// Gives back the places of series that are in no row from `earliest` on, not even as one that has just gone.
  private mutating func forget(before earliest: UInt64) {
    var gone: Set<Int> = []
    for (place, one) in series.enumerated() where one.seen != 0 && one.seen != scrape && one.rows + 2 < earliest {
      gone.insert(place)
      index[one.key] = nil
      series[place].seen = 0
      values[place] = .nan
    }
    guard !gone.isEmpty else { return }
    for family in members.indices { members[family].removeAll { gone.contains($0) } }
    free.append(contentsOf: gone)
  }

  // MARK: - Looking

  func isLive(_ place: Int) -> Bool { series[place].seen == scrape }

  /// The names and values of a series' labels.
  public func labels(of place: Int) -> [(name: String, value: String)] {
    let one = series[place]
    let given = one.key.dropFirst(3).split(separator: Self.separator, omittingEmptySubsequences: false)
    guard one.key.count > 2 else { return [] }
    return zip(families[one.family].labels, given).map { ($0, String(decoding: $1, as: UTF8.self)) }
  }

  /// The live series of the family of that name.
  public func live(_ name: String) -> [Int] {
    guard let family = byName[name] else { return [] }
    return members[family.index].filter { isLive($0) }
  }

  public func value(_ place: Int) -> Double { values[place] }

  /// The value of the series with exactly these label values; `nil` where there is none now.
  public func value(_ name: String, _ labels: String...) -> Double? {
    guard let family = byName[name] else { return nil }
    var key = [UInt8(truncatingIfNeeded: family.index >> 8), UInt8(truncatingIfNeeded: family.index)]
    for label in labels { key += [Self.separator] + Array(label.utf8) }
    guard let place = index[key], isLive(place) else { return nil }
    return values[place]
  }
}

// MARK: - Selecting

extension SeriesTable {
  /// The live series that are asked for, by family.
  ///
  /// - Parameters:
  ///   - names: only these; one that ends with `*` stands for all that begin so.
  ///   - labels: only series that have all of these.
  public func select(_ names: [String]?, _ labels: [String: String]?) -> [(family: MetricFamily, places: [Int])] {
    families.indices.compactMap { index in
      guard names?.contains(where: { Self.matches(families[index].name, $0) }) ?? true else { return nil }
      let places = members[index].filter { place in
        guard isLive(place) else { return false }
        guard let labels, !labels.isEmpty else { return true }
        let own = self.labels(of: place)
        return labels.allSatisfy { wanted in own.contains { $0.name == wanted.key && $0.value == wanted.value } }
      }
      return places.isEmpty ? nil : (families[index], places)
    }
  }

  private static func matches(_ name: String, _ pattern: String) -> Bool {
    pattern.hasSuffix("*") ? name.hasPrefix(pattern.dropLast()) : name == pattern
  }
}
