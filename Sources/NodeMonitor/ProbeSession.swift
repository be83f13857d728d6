// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging
import Probing
import Synchronization

/// One channel of the container controller: makes the checks that come over it.
final class ProbeSession: Sendable {
  private let socket: SharedDescriptor
  private let probe: NetworkProbe
  private let running = Mutex(0)
  /// What it says has one order.
  private let writing = Mutex(())

  /// The answers to so many always have room in the socket, so that nobody waits for a caller that does not read.
  private static let mostRunning = 64

  init(socket: SharedDescriptor, probe: NetworkProbe) {
    self.socket = socket
    self.probe = probe
  }

  /// Serves to the end of the channel, on a thread of its own.
  func serve() {
    let channel = HostChannel(socket)
    while let message = try? channel.receive() {
      // What is no look comes from no controller of ours.
      guard let look = try? JSONCoding.decode(ProbeMethods.Look.self, from: message.line),
        let connection = message.descriptors.first
      else { return }
      let isRoom = running.withLock { running in
        guard running < Self.mostRunning else { return false }
        running += 1
        return true
      }
      guard isRoom else {
        answer(.init(id: look.id, ok: false, output: "too many checks are being made at once"))
        continue
      }
      Task {
        let outcome = await probe.look(look.check, over: connection)
        answer(.init(id: look.id, ok: outcome.ok, output: outcome.output))
        running.withLock { $0 -= 1 }
      }
    }
  }

  private func answer(_ answer: ProbeMethods.Answer) {
    writing.withLock { _ in
      // A caller that is gone needs no answer.
      if let line = try? JSONCoding.encode(answer) { try? HostChannel(socket).send(line) }
    }
  }
}
