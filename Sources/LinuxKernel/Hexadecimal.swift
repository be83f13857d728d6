// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

extension Sequence<UInt8> {
  /// Two lower-case digits a byte.
  public var hexadecimalDigits: [String] { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) } }
  /// The same without gaps.
  public var hexadecimal: String { hexadecimalDigits.joined() }
}
