// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Testing

@testable import Metrics

@Suite struct ByteScannerTests {
  @Test(
    arguments: [
      ("0", 0.0), ("42", 42), ("-7", -7), ("0.51", 0.51), ("18446744073709551615", 18_446_744_073_709_551_616),
      ("18446744073709551616", nil), ("", nil), ("-", nil), (".", nil), ("1e5", nil), ("12x", nil), ("1.2.3", nil),
      (".5", 0.5), ("5.", 5),
    ] as [(String, Double?)])
  func `a decimal number`(text: String, value: Double?) {
    let bytes = Array(text.utf8)
    #expect(ByteScanner.number(bytes.span, 0..<bytes.count) == value)
  }

  @Test(arguments: [("0", 0.0), ("ff", 255), ("0000FFFF", 65535), ("", nil), ("g", nil), ("11112222333344445", nil)])
  func `a hexadecimal number`(text: String, value: Double?) {
    let bytes = Array(text.utf8)
    #expect(ByteScanner.hexadecimal(bytes.span, 0..<bytes.count) == value)
  }

  @Test func `lines and fields come in their order, the last line with or without its end`() {
    for end in ["", "\n"] {
      let text = KernelText("a  b\n\n\tc: d\(end)")
      let bytes = text.bytes.span
      var lines = text.scanner
      var found: [[String]] = []
      while let line = lines.line(bytes) {
        var fields = ByteScanner(line)
        var words: [String] = []
        while let field = fields.field(bytes) { words.append(ByteScanner.text(bytes, field)) }
        found.append(words)
      }
      #expect(found == [["a", "b"], [], ["c:", "d"]])
    }
  }
}
