// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Logging

/// A sub-system that systemd runs as a unit of its own; systemd starts, restarts and stops it.
actor UnitSubsystem: ManagedSubsystem {
  private let unit: String
  private let name: String
  private let identity: ControllerIdentity
  private let logger: Logger
  /// The unit's main process as it last came to the node controller.
  private var process: SharedDescriptor?
  private var pid: Int32?
  private var restarts = 0

  init(unit: String, name: String, identity: ControllerIdentity, logger: Logger) {
    self.unit = unit
    self.name = name
    self.identity = identity
    self.logger = logger
  }

  private var isRunning: Bool {
    guard let process, let pidfd = try? Pidfd.pid(of: process.raw) else { return false }
    return pidfd > 0
  }

  var view: SubsystemView {
    let isRunning = isRunning
    return SubsystemView(
      name: name, state: isRunning ? .available : .stopped, pid: isRunning ? pid : nil, uid: identity.uid,
      restarts: restarts, reason: isRunning ? nil : "systemd runs it: systemctl status \(unit)")
  }

  // It comes by itself.
  func start() {}
  func waitUntilSettled() {}
  func ready(from sender: Int32) {}

  func isProcess(_ peer: Peer) async -> Bool {
    guard peer.credentials.uid == identity.uid else { return false }
    let claimed = peer.credentials.pid
    if claimed == pid, isRunning { return true }
    do {
      let held = try Pidfd(opening: claimed)
      let unit = unit
      guard try await Blocking.run({ try Systemctl.mainPID(of: unit) }) == claimed, held.isRunning() else {
        return false
      }
      if pid != nil { restarts += 1 }
      process = SharedDescriptor(try held.descriptor.duplicate())
      pid = claimed
      return true
    } catch {
      logger.error("cannot tell who is the main process", metadata: ["unit": "\(unit)", "error": "\(error)"])
      return false
    }
  }

  /// Only when its containers are to be stopped, too: else it is systemd's to stop.
  func stop(signal: Int32) async {
    guard signal == SIGINT, isRunning, let pid, let process, let copy = try? process.duplicate() else { return }
    let pidfd = Pidfd(pid: pid, descriptor: copy)
    do {
      try pidfd.signal(signal)
      let held = SharedDescriptor(try pidfd.descriptor.duplicate())
      _ = try await Blocking.onOwnThread("wait-\(name)") {
        var poll = PollSet()
        poll.add(held.raw)
        return try poll.wait(milliseconds: 120_000)
      }
    } catch {
      logger.error("cannot stop a sub-system", metadata: ["unit": "\(unit)", "error": "\(error)"])
    }
  }
}
