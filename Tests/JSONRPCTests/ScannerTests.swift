// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import JSONRPC
import Testing

@Suite struct JSONScannerTests {
  @Test(arguments: [
    "{}", "[]", "null", "true", "-0", "1.5e-7", "\"\\u00e4\"", "{\"a\":[1,{\"b\":null}]}", " [ 1 , 2 ] ",
    "\"\u{10ffff}\"",
  ])
  func `JSON is taken`(text: String) throws { _ = try JSONScanner.outline(of: Array(text.utf8)) }

  @Test(arguments: [
    "", " ", "{", "[1,]", "{\"a\":}", "{a:1}", "01", "+1", ".5", "1.", "nul", "\"\u{1}\"", "\"\\x\"", "\"\\ud800\"",
    "[1] 2", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "'a'", "NaN", "\"abc",
  ])
  func `what two readers could take differently is refused`(text: String) {
    #expect(throws: JSONSyntaxError.self) { try JSONScanner.outline(of: Array(text.utf8)) }
  }

  @Test(
    arguments: [
      [0xff], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xf5, 0x80, 0x80, 0x80, 0x22],
    ] as [[UInt8]])
  func `bytes that are no UTF-8 are refused`(bytes: [UInt8]) {
    #expect(throws: JSONSyntaxError.self) { try JSONScanner.outline(of: bytes) }
  }

  @Test func `nesting is bounded`() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONSyntaxError.self) { try JSONScanner.outline(of: Array(deep.utf8)) }
  }

  @Test func `what the scanner takes, Foundation takes too`() throws {
    var generator = SystemRandomNumberGenerator()
    // No exponents: Foundation refuses numbers that no Double holds.
    let alphabet = Array("{}[]\",:0123456789.+-trulns\\u \u{e4}".utf8)
    var taken = 0
    for _ in 0..<50_000 {
      let bytes = (0..<Int.random(in: 1...12, using: &generator)).map { _ in alphabet.randomElement(using: &generator)!
      }
      guard (try? JSONScanner.outline(of: bytes)) != nil else { continue }
      taken += 1
      #expect(throws: Never.self, "\(String(decoding: bytes, as: UTF8.self))") {
        _ = try JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])
      }
    }
    #expect(taken > 0)
  }
}
