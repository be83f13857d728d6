// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// Sends log events to systemd's journal, too, in its native protocol (systemd's document JOURNAL_NATIVE_PROTOCOL): a
/// datagram of `FIELD=value` lines.
///
/// The segment files are the log; the journal is a copy for those who look there. It never holds the workload up: what
/// it does not take at once it is told later as a number of lost lines.
public struct JournalSender {
  private let socket: SharedDescriptor
  private let fields: [UInt8]
  private var lost: UInt64 = 0

  /// - Parameters:
  ///   - socket: connected to the journal, and non-blocking.
  ///   - fields: lines that every event has, such as `CONTAINER_NAME=web`.
  public init(socket: SharedDescriptor, fields: [UInt8]) {
    self.socket = socket
    self.fields = fields
  }

  /// Sends one event, a text without a line end.
  public mutating func send(_ text: some Collection<UInt8>, stream: LogStream) {
    if lost > 0 {
      let note = "\(lost) lines did not reach the journal; the container's own log has them"
      guard deliver(Self.event(note.utf8, stream: .harness, fields: fields)) else {
        lost += 1
        return
      }
      lost = 0
    }
    if !deliver(Self.event(text, stream: stream, fields: fields)) { lost += 1 }
  }

  static func event(_ text: some Collection<UInt8>, stream: LogStream, fields: [UInt8]) -> [UInt8] {
    // As syslog(3) counts: an error, a warning, an information.
    let priority = stream == .error ? 3 : stream == .harness ? 4 : 6
    var bytes = fields
    bytes += "PRIORITY=\(priority)\nCONTAINER_STREAM=\(stream.rawValue)\nMESSAGE=".utf8
    bytes += text
    bytes.append(UInt8(ascii: "\n"))
    return bytes
  }

  private func deliver(_ bytes: [UInt8]) -> Bool {
    do {
      try UnixSocket.send(bytes, to: socket.raw)
      return true
    } catch {
      // Full, or the journal has gone: counted, and told with the next event that gets through.
      return false
    }
  }
}
