// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The values of all series over the last hour, in room of a fixed size.
///
/// A row for each moment says only which values changed since the row before, as the difference of their bits: most series
/// of a node change seldom. The values before the oldest row are kept whole; when the room is full, or the hour over, the
/// oldest row is worked into them.
public struct MetricHistory: Sendable {
  private struct Row: Sendable {
    let time: Double
    let length: Int
  }

  /// Seconds.
  public let span: Double
  /// A ring of ``capacity`` bytes, made as far as it was needed.
  private var bytes: [UInt8] = []
  private let capacity: Int
  private var start = 0
  public private(set) var used = 0
  private var rows: [Row] = []
  /// Before the oldest row, and after the newest; NaN for a series that was not there.
  private var oldest: [UInt64] = []
  private var newest: [UInt64] = []
  private var scratch: [UInt8] = []

  private static let absent = Double.nan.bitPattern

  /// - Parameters:
  ///   - span: seconds that are kept, if the room allows.
  ///   - capacity: bytes of room.
  public init(span: Double = 3600, capacity: Int = 1 << 20) {
    self.span = span
    self.capacity = capacity
  }

  public var earliest: Double? { rows.first?.time }
  public var count: Int { rows.count }
  /// Rows that were ever added.
  public private(set) var added: UInt64 = 0
  /// The number of the oldest row that is kept, the first being 1.
  public var firstKept: UInt64 { added + 1 - UInt64(rows.count) }

  /// Adds the table's values as they are now.
  ///
  /// - Parameter time: seconds of any clock that goes on.
  public mutating func append(_ table: borrowing SeriesTable, at time: Double) {
    added += 1
    scratch.removeAll(keepingCapacity: true)
    let count = table.series.count
    while newest.count < count {
      newest.append(Self.absent)
      oldest.append(Self.absent)
    }
    var last = -1
    for place in 0..<newest.count {
      let now = place < count && table.isLive(place) ? table.values[place].bitPattern : Self.absent
      let difference = now ^ newest[place]
      guard difference != 0 else { continue }
      Self.append(UInt64(place - last - 1), to: &scratch)
      // The low bits of most numbers are 0: turned round they are the high ones, which need no room.
      Self.append(Self.reversed(difference), to: &scratch)
      newest[place] = now
      last = place
    }
    while let first = rows.first, time - first.time > span || used + scratch.count > capacity { drop(first) }
    guard scratch.count <= capacity else {
      // Not even this row has room: begin anew with what is now.
      oldest = newest
      rows = [Row(time: time, length: 0)]
      return
    }
    for (offset, byte) in scratch.enumerated() {
      let place = (start + used + offset) % capacity
      if place == bytes.count { bytes.append(byte) } else { bytes[place] = byte }
    }
    used += scratch.count
    rows.append(Row(time: time, length: scratch.count))
  }

  private mutating func drop(_ row: Row) {
    var values: [UInt64] = []
    swap(&values, &oldest)
    apply(from: start, length: row.length, to: &values)
    oldest = values
    start = (start + row.length) % capacity
    used -= row.length
    rows.removeFirst()
  }

  /// The values of some series, oldest first; moments at which one was not there are left out.
  ///
  /// - Parameter places: which series of the table.
  public func values(of places: [Int], since: Double = -.infinity) -> [[(time: Double, value: Double)]] {
    var found: [[(time: Double, value: Double)]] = Array(repeating: [], count: places.count)
    var values = oldest
    var position = start
    for row in rows {
      apply(from: position, length: row.length, to: &values)
      position = (position + row.length) % capacity
      guard row.time >= since else { continue }
      for (index, place) in places.enumerated() where values.indices.contains(place) {
        let value = Double(bitPattern: values[place])
        if !value.isNaN { found[index].append((row.time, value)) }
      }
    }
    return found
  }

  // MARK: - Rows

  private func apply(from start: Int, length: Int, to values: inout [UInt64]) {
    var position = 0
    var place = -1
    func number() -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while position < length {
        let byte = bytes[(start + position) % capacity]
        position += 1
        value |= UInt64(byte & 0x7f) << shift
        if byte & 0x80 == 0 { break }
        shift += 7
      }
      return value
    }
    while position < length {
      place += Int(number()) + 1
      let difference = Self.reversed(number())
      if values.indices.contains(place) { values[place] ^= difference }
    }
  }

  /// LEB128.
  private static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    var left = value
    while left >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: left) | 0x80)
      left >>= 7
    }
    bytes.append(UInt8(left))
  }

  private static func reversed(_ value: UInt64) -> UInt64 {
    var bits = value
    bits = (bits >> 1) & 0x5555_5555_5555_5555 | (bits & 0x5555_5555_5555_5555) << 1
    bits = (bits >> 2) & 0x3333_3333_3333_3333 | (bits & 0x3333_3333_3333_3333) << 2
    bits = (bits >> 4) & 0x0f0f_0f0f_0f0f_0f0f | (bits & 0x0f0f_0f0f_0f0f_0f0f) << 4
    return bits.byteSwapped
  }
}
