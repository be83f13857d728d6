// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Testing

@testable import ContainerController

@Suite struct InterfaceCountersTests {
  @Test func `the kernel's table is read, and nonsense passed over`() {
    let text = """
      Inter-|   Receive                                                |  Transmit
       face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
          lo:     100       1    0    0    0     0          0         0      200       2    0    0    0     0       0          0
       na1-7: 1 2 3
        na1-8:4000000000000 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0
       x: a b c d e f g h i j
      """
    #expect(
      InterfaceCounters.parse(text) == [
        "lo": InterfaceCounters(received: 100, sent: 200),
        "na1-8": InterfaceCounters(received: 4_000_000_000_000, sent: 5),
      ])
  }
}
