// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Times as the API writes them: RFC 3339, UTC, microseconds.
public enum Timestamp {
  /// `2026-05-01T09:30:00.123456Z`.
  public static func text(microseconds: Int64) -> String {
    var seconds = time_t(microseconds / 1_000_000)
    var fraction = microseconds % 1_000_000
    if fraction < 0 {
      fraction += 1_000_000
      seconds -= 1
    }
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func pad(_ number: Int, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = "\(pad(Int(parts.tm_year) + 1900, 4))-\(pad(Int(parts.tm_mon) + 1, 2))-\(pad(Int(parts.tm_mday), 2))"
    let clock = "\(pad(Int(parts.tm_hour), 2)):\(pad(Int(parts.tm_min), 2)):\(pad(Int(parts.tm_sec), 2))"
    return "\(date)T\(clock).\(pad(Int(fraction), 6))Z"
  }

  public static var now: String { text(microseconds: Clock.wallMicroseconds()) }

  /// Microseconds of an RFC 3339 time (a date alone is its midnight, UTC), or of a duration before `now`: `90s`, `10m`, `2h`, `1d`.
  public static func parse(_ text: String, now: Int64) -> Int64? {
    if let unit = text.last, let seconds = ["s": 1, "m": 60, "h": 3600, "d": 86400][unit],
      let count = Int64(text.dropLast()), count >= 0, count < 1 << 32
    {
      return now - count * Int64(seconds) * 1_000_000
    }
    return parseTime(Array(text.utf8))
  }

  private static func parseTime(_ bytes: [UInt8]) -> Int64? {
    func number(_ range: Range<Int>) -> Int? {
      guard range.upperBound <= bytes.count else { return nil }
      var value = 0
      for byte in bytes[range] {
        guard (0x30...0x39).contains(byte) else { return nil }
        value = value * 10 + Int(byte - 0x30)
      }
      return value
    }
    func at(_ index: Int, _ characters: String) -> Bool {
      index < bytes.count && characters.utf8.contains(bytes[index])
    }
    guard let year = number(0..<4), at(4, "-"), let month = number(5..<7), at(7, "-"), let day = number(8..<10),
      (1...12).contains(month), (1...31).contains(day)
    else { return nil }
    var parts = tm()
    parts.tm_year = Int32(year - 1900)
    parts.tm_mon = Int32(month - 1)
    parts.tm_mday = Int32(day)
    if bytes.count == 10 { return Int64(timegm(&parts)) * 1_000_000 }
    guard at(10, "Tt "), let hour = number(11..<13), at(13, ":"), let minute = number(14..<16), at(16, ":"),
      let second = number(17..<19), hour < 24, minute < 60, second < 61
    else { return nil }
    parts.tm_hour = Int32(hour)
    parts.tm_min = Int32(minute)
    parts.tm_sec = Int32(second)
    var index = 19
    var fraction: Int64 = 0
    if at(index, ".") {
      index += 1
      var scale: Int64 = 100_000
      let first = index
      while index < bytes.count, (0x30...0x39).contains(bytes[index]) {
        fraction += Int64(bytes[index] - 0x30) * scale
        scale /= 10
        index += 1
      }
      guard index > first else { return nil }
    }
    var offset: Int64 = 0
    if at(index, "Zz") {
      index += 1
    } else if at(index, "+-"), let hours = number(index + 1..<index + 3), at(index + 3, ":"),
      let minutes = number(index + 4..<index + 6)
    {
      offset = Int64(hours * 3600 + minutes * 60) * (bytes[index] == UInt8(ascii: "-") ? -1 : 1)
      index += 6
    } else {
      // Without an offset it would mean another time on each machine.
      return nil
    }
    guard index == bytes.count else { return nil }
    return (Int64(timegm(&parts)) - offset) * 1_000_000 + fraction
  }
}
