// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// Sends events to systemd's journal on this machine, each with its parts as fields (JOURNAL_NATIVE_PROTOCOL).
struct JournalDelivery: EventDelivery {
  let mostEvents = 100
  private let path: String
  /// A journal that is stopped takes nothing, and must not hold a thread for ever.
  private static let seconds = 10

  init(path: String = "/run/systemd/journal/socket") { self.path = path }

  func deliver(_ events: [AgentEvent]) async throws {
    let path = path
    try await Blocking.run {
      let socket: Descriptor
      do {
        socket = try UnixSocket.connect(path, kind: .datagram, seconds: Self.seconds)
      } catch {
        throw DeliveryFailure("systemd's journal is not there: \(error)")
      }
      for event in events { try UnixSocket.send(Self.datagram(event), to: socket.raw) }
    }
  }

  static func datagram(_ event: AgentEvent) -> [UInt8] {
    let priority =
      switch event.severity {
      case .error: 3
      case .warning: 4
      case .info: 6
      }
    var fields = [
      ("MESSAGE", event.message), ("PRIORITY", "\(priority)"), ("SYSLOG_IDENTIFIER", "nodeagent"),
      ("NODEAGENT_KIND", event.kind), ("NODEAGENT_NAME", event.name), ("NODEAGENT_EVENT", event.event),
      ("NODEAGENT_SOURCE", event.source), ("NODEAGENT_SEQUENCE", "\(event.sequence)"),
    ]
    if let cause = event.cause { fields.append(("NODEAGENT_CAUSE", cause)) }
    if let correlation = event.correlation { fields.append(("NODEAGENT_CORRELATION", correlation)) }
    var bytes: [UInt8] = []
    for (name, value) in fields {
      // A value with a line end is sent with its length.
      if value.utf8.contains(0x0a) {
        bytes += Array("\(name)\n".utf8)
        withUnsafeBytes(of: UInt64(value.utf8.count).littleEndian) { bytes += Array($0) }
        bytes += Array("\(value)\n".utf8)
      } else {
        bytes += Array("\(name)=\(value)\n".utf8)
      }
    }
    return bytes
  }
}
