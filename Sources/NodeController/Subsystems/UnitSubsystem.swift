// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Logging

/// The part of the agent that systemd runs as a unit of its own; systemd starts, restarts and stops it.
actor UnitSubsystem: ManagedSubsystem {
  nonisolated let name: String
  private let unit: String
  private let uid: UInt32
  private let logger: Logger
  /// The unit's main process as it last came to the node controller.
  private var process: HeldProcess?
  private var restarts = 0

  init(unit: String, name: String, uid: UInt32, logger: Logger) {
    self.unit = unit
    self.name = name
    self.uid = uid
    self.logger = logger
  }

  private var isRunning: Bool { process?.pidfd.isRunning() ?? false }
  var state: SubsystemState { isRunning ? .available : .stopped }
  var isAtRest: Bool { true }
  func waitUntilAtRest() {}

  var view: SubsystemView {
    SubsystemView(
      name: name, state: state, backend: .unit, pid: isRunning ? process?.pid : nil, uid: uid, restarts: restarts,
      reason: isRunning ? nil : "systemd runs it: systemctl status \(unit)")
  }

  var details: (view: SubsystemView, processes: [Int32]) { (view, process.map { [$0.pid] } ?? []) }

  // It comes by itself.
  func adopt() -> Bool { false }
  func start(correlation: String?) {}
  func hold(because reason: String, correlation: String?) {}
  func update(_ spec: SubsystemSpec) {}
  func forget() {}

  func reload(correlation: String?) throws {
    throw RPCError(.wrongState, "\(name) has nothing to reload")
  }

  func isProcess(_ peer: Peer) async -> Bool {
    guard peer.credentials.uid == uid else { return false }
    let claimed = peer.credentials.pid
    if claimed == process?.pid, isRunning { return true }
    do {
      let held = try HeldProcess(opening: claimed)
      let unit = unit
      guard try await Blocking.run({ try Systemctl.mainPID(of: unit) }) == claimed, held.pidfd.isRunning() else {
        return false
      }
      if process != nil { restarts += 1 }
      process = held
      return true
    } catch {
      logger.error("cannot tell who is the main process", metadata: ["unit": "\(unit)", "error": "\(error)"])
      return false
    }
  }

  /// Only when its containers are to be stopped, too: else it is systemd's to stop.
  func stop(signal: Int32?, correlation: String?) async throws {
    guard signal == SIGINT, let process, isRunning else { return }
    try process.signal(SIGINT)
    let ended = try await Blocking.onOwnThread("wait-\(name)") {
      try process.pidfd.waitForEnd(milliseconds: 120_000)
    }
    guard ended else { throw RPCError(.deadlineExceeded, "\(unit) has not ended within two minutes") }
  }
}
