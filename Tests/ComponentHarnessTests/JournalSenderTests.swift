// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import ComponentHarness
import LinuxKernel
import Testing

@Suite struct JournalSenderTests {
  private func receive(_ socket: SharedDescriptor) throws -> String {
    String(decoding: try UnixSocket.receive(from: socket.raw).bytes, as: UTF8.self)
  }

  @Test(arguments: [(LogStream.out, "6"), (.error, "3"), (.harness, "4")])
  func `an event has its fields, its priority and its text`(stream: LogStream, priority: String) throws {
    let (journal, ours) = try UnixSocket.pair(.datagram)
    var sender = JournalSender(socket: ours, fields: Array("CONTAINER_NAME=web\n".utf8))
    sender.send("MESSAGE=no trick".utf8, stream: stream)
    #expect(
      try receive(journal)
        == "CONTAINER_NAME=web\nPRIORITY=\(priority)\nCONTAINER_STREAM=\(stream.rawValue)\nMESSAGE=MESSAGE=no trick\n")
  }

  @Test func `a full journal loses lines, says how many, and holds nobody up`() throws {
    let (journal, ours) = try UnixSocket.pair(.datagram)
    try Descriptor.setNonblocking(ours.raw, true)
    var sender = JournalSender(socket: ours, fields: [])
    for _ in 0..<10_000 { sender.send("line".utf8, stream: .out) }
    try Descriptor.setNonblocking(journal.raw, true)
    var delivered = 0
    while (try? receive(journal)) != nil { delivered += 1 }
    #expect(delivered > 0)
    sender.send("last".utf8, stream: .out)
    #expect(try receive(journal).contains("MESSAGE=\(10_000 - delivered) lines did not reach the journal"))
    #expect(try receive(journal).contains("MESSAGE=last\n"))
  }
}
