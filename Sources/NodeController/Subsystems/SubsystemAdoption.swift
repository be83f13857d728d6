// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging

extension Subsystem {
  func adopt() async -> Bool {
    guard let record = files.record() else {
      watchSockets()
      return false
    }
    let spec = record.spec ?? spec
    let launcher = launcher
    let found: KeeperLauncher.Adopted?
    do {
      found = try await Blocking.onOwnThread("adopt-\(name)") { try launcher.adopt(record) }
    } catch {
      services.logger.error(
        "a keeper does not answer; its sub-system is ended",
        metadata: ["subsystem": "\(name)", "keeper": "\(record.keeper)", "error": "\(error)"])
      found = nil
    }
    guard let found else { return await endLost(record) }
    services.logger.info("adopted", metadata: ["subsystem": "\(name)", "pid": "\(found.run.workload?.pid ?? 0)"])
    resume(found, record)
    // Not by `apply`: nothing happens that anybody has to be told of, and nothing is to be started.
    _ = machine.apply(.startAsked)
    if spec.readiness == .started || found.status.ready { _ = machine.apply(.ready) }
    startedBy = record.spec
    attach(found.run)
    lastHeartbeat = max(found.run.started, found.status.heartbeat, Clock.monotonicNanoseconds())
    if machine.state == .starting { watchReadiness(found.run) }
    return false
  }

  private func resume(_ found: KeeperLauncher.Adopted, _ record: SubsystemFiles.Record) {
    let spec = record.spec ?? spec
    machine.readiness = spec.readiness
    statusText = found.status.text.isEmpty ? nil : found.status.text
    sockets.take(found.sockets, addresses: record.sockets)
  }

  /// Its run ended while no node controller lived.
  private func endLost(_ record: SubsystemFiles.Record) async -> Bool {
    let place = services.place
    let name = name
    let left: Int
    do {
      left = try await Blocking.onOwnThread("sweep-\(name)") {
        let count = try place.endAll(of: name, sparing: nil)
        try place.remove(name)
        return count
      }
    } catch {
      left = 0
      services.logger.error("cannot clean up", metadata: ["subsystem": "\(name)", "error": "\(error)"])
    }
    if let agent = record.agent { Task { [services] in await services.identities.end(agent) } }
    let spec = record.spec ?? spec
    if record.pid == 0 {
      // It was about to be started, for the first time or again.
      return spec.restart.condition != .never
    }
    let ended = files.exit()
    if spec.readiness == .exited, ended?.status == .exited(0) {
      _ = machine.apply(.startAsked)
      _ = machine.apply(.ended(clean: true, at: Self.seconds, ran: 0))
      return false
    }
    reason = ended.map { "it ended while the agent was away: \($0.status)" } ?? "it was ended while the agent was away"
    self.record("ended", reason)
    if left > 0 { self.record("leftovers ended", "it left \(left) processes behind") }
    let clean = ended?.status == .exited(0)
    return spec.restart.condition == .always || !clean && spec.restart.condition != .never
  }
}
