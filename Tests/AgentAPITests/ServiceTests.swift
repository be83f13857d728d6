// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

@testable import AgentAPI

@Suite struct ServiceTests {
  @Test func `what is told reaches the service manager`() throws {
    let path = "@nodeagent-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let socket = SharedDescriptor(try UnixSocket.bind(abstract: path, kind: .datagram))
    let manager = ServiceManager(socket: path, watchdog: "2000000", watchdogPID: "\(getpid())")
    func next() throws -> String { String(decoding: try UnixSocket.receive(from: socket.raw).bytes, as: UTF8.self) }
    #expect(manager.isThere)
    #expect(manager.watchdogMilliseconds == 2000)
    try manager.ready(status: "two\nlines")
    #expect(try next() == "READY=1\nSTATUS=two lines")
    try manager.reloading()
    #expect(try next().hasPrefix("RELOADING=1\nMONOTONIC_USEC="))
    try manager.alive()
    #expect(try next() == "WATCHDOG=1")
    try manager.stopping()
    #expect(try next() == "STOPPING=1")
  }

  @Test(
    arguments: [
      (nil, nil, nil), ("relative", "0", nil), ("", "x", nil), ("/run/x", "1000000", "1"),
    ] as [(String?, String?, String?)])
  func `without a manager, or with one for somebody else, there is nothing to do`(
    socket: String?, watchdog: String?, pid: String?
  ) throws {
    let manager = ServiceManager(socket: socket, watchdog: watchdog, watchdogPID: pid)
    #expect(manager.watchdogMilliseconds == nil)
    if !manager.isThere { try manager.ready(status: "nobody hears it") }
  }

  @Test(
    arguments: [
      ("2", "7", "node:container", ["node", "container"]), ("2", nil, nil, ["unknown", "unknown"]),
      ("2", "7", "node", ["node", "unknown"]), ("1", "7", ":", ["unknown"]), ("1", "8", "node", []),
      ("0", "7", "node", []), ("-1", "7", "node", []), ("1000000", "7", "node", []), ("x", "7", "node", []),
      (nil, nil, nil, []),
    ] as [(String?, String?, String?, [String])])
  func `passed sockets have their names`(count: String?, pid: String?, names: String?, expected: [String]) {
    #expect(ListenDescriptors.names(count: count, pid: pid, names: names, own: 7) == expected)
  }
}
