// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// Sends events to a syslog server: a datagram each, or over one connection with the octets counted (RFC 6587, 3.4.1).
actor SyslogDelivery: EventDelivery {
  nonisolated let mostEvents = 100
  private let address: String
  private let node: String
  private var socket: SharedDescriptor?

  private static let seconds = 10
  /// What every receiver of datagrams has to take (RFC 5426, 3.2).
  private static let mostDatagram = 2048

  init(_ address: String, node: String) {
    self.address = address
    self.node = node
  }

  func deliver(_ events: [AgentEvent]) async throws {
    guard let target = ListenAddress(address) else { throw DeliveryFailure("\(address) is no address") }
    let lines = events.map { SyslogMessage.text($0, node: node, process: getpid()) }
    let known = socket
    let seconds = Self.seconds
    do {
      socket = try await Blocking.run {
        let socket = try known ?? SharedDescriptor(try target.connect(seconds: seconds))
        for line in lines {
          if target.kind == .tcp {
            try FileSystem.write(Array("\(line.utf8.count) \(line)".utf8), to: socket.raw, object: "the syslog server")
          } else {
            try UnixSocket.send(Array(line.utf8.prefix(Self.mostDatagram)), to: socket.raw)
          }
        }
        if target.kind == .tcp { try Self.check(socket) }
        return socket
      }
    } catch {
      socket = nil
      throw DeliveryFailure("\(address): \(error)")
    }
  }

  /// A server that has closed says so by an end; it says nothing else.
  private static func check(_ socket: SharedDescriptor) throws {
    var byte: UInt8 = 0
    let count = recv(socket.raw, &byte, 1, Int32(MSG_DONTWAIT | MSG_PEEK))
    if count == 0 { throw DeliveryFailure("the server has closed the connection") }
  }
}
