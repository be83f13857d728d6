// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import ComponentHarness
import LaunchPlan
import Testing

@Suite struct NotificationTests {
  @Test(
    arguments: [
      ("READY=1", [.notice(.ready)]), ("WATCHDOG=1\nSTATUS=busy", [.notice(.heartbeat), .text("busy")]),
      ("WATCHDOG=trigger", [.notice(.distress)]), ("RELOADING=1\nMONOTONIC_USEC=5", [.notice(.reloading)]),
      ("STOPPING=1\n\n", [.notice(.stopping)]), ("READY=0", []), ("", []), ("ready=1", []), ("MAINPID=1", []),
      ("STATUS=", [.text("")]), ("X=READY=1", []),
    ] as [(String, [NotificationReader.Item])])
  func `what a datagram says`(datagram: String, items: [NotificationReader.Item]) {
    #expect(NotificationReader.items(in: Array(datagram.utf8)) == items)
  }

  @Test func `a status of any length and any bytes becomes a short text`() {
    let long = Array("STATUS=".utf8) + [UInt8](repeating: 0x41, count: 4000)
    #expect(NotificationReader.items(in: long) == [.text(String(repeating: "A", count: 256))])
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let bytes =
        Array("STATUS=".utf8)
        + (0..<Int.random(in: 0...600, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      for case .text(let text) in NotificationReader.items(in: bytes) { #expect(text.count <= 256) }
    }
  }
}
