// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Sizes, durations and processors as people write them.
public enum Quantity {
  /// `1048576`, `64KiB`, `64K`, `32MiB`, `2GiB`, `1TiB`; powers of 1024.
  public static func bytes(_ text: String) -> UInt64? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = UInt64(digits) else { return nil }
    let shift: UInt64
    switch text.dropFirst(digits.count) {
    case "", "B": shift = 0
    case "K", "KiB": shift = 10
    case "M", "MiB": shift = 20
    case "G", "GiB": shift = 30
    case "T", "TiB": shift = 40
    default: return nil
    }
    let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
    return overflow ? nil : product
  }

  /// `500ms`, `10s`, `2m`, `1h`, `30d`.
  public static func milliseconds(_ text: String) -> Int64? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Int64(digits), number < 1 << 36 else { return nil }
    switch text.dropFirst(digits.count) {
    case "ms": return number
    case "s": return number * 1000
    case "m": return number * 60_000
    case "h": return number * 3_600_000
    case "d": return number * 86_400_000
    default: return nil
    }
  }

  /// A rate of bits, `500kbit`, `10Mbit` or `1Gbit`, with or without `/s`, in bytes a second; k is 1000.
  public static func bitRate(_ text: String) -> UInt64? {
    let plain = text.hasSuffix("/s") ? text.dropLast(2) : text[...]
    let digits = plain.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let factors = ["bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9]
    guard let number = Double(digits), number > 0, let factor = factors[plain.dropFirst(digits.count).lowercased()],
      number * factor / 8 < 1e15
    else { return nil }
    return UInt64((number * factor / 8).rounded())
  }

  /// Processors, `0.5` or `2`, in thousandths; at least 0.01.
  public static func cpuMilli(_ text: String) -> UInt64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2e }), let number = Double(text),
      (0.01...1000).contains(number)
    else { return nil }
    return UInt64((number * 1000).rounded())
  }
}
