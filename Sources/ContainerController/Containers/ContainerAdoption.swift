// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging

/// What a container does when its controller was started again.
extension Container {
  /// Takes up what an earlier controller left: a running container, or its end.
  func adopt() async {
    _ = try? await mailbox.perform { await self.doAdopt() }
  }

  private func doAdopt() async {
    guard record.state.isRunning || services.launcher.recordedStart(name) != nil else {
      if record.wanted, record.restartPolicy.condition == .always { scheduleRestart(after: 0) }
      return
    }
    let launcher = services.launcher
    let name = name
    let found = try? await Blocking.run { try launcher.adopt(name) }
    guard let found = found ?? nil, found.started else {
      launcher.endRecorded(name)
      // Its cgroup is still there, and with it the count of kills for memory.
      let oomKills = oomKills()
      life = Lifecycle(state: record.state.isRunning ? record.state : .initializing)
      if record.state != .stopping { record.wanted = true }
      await finish(
        reaped: nil, started: launcher.recordedStart(name), oomKills: oomKills, correlation: nil, forced: false)
      return
    }
    life = Lifecycle(state: .initializing)
    record.started = found.process.runtime.started
    record.wanted = true
    attach(found.process)
    services.logger.info("adopted", metadata: ["container": "\(name)", "pid": "\(found.process.runtime.pid)"])
    if record.state == .stopping {
      // It was being stopped when the controller went.
      _ = try? await doStop(timeout: nil, correlation: nil)
    } else if found.ready {
      try? transition(.ready, correlation: nil)
    }
    save()
    Task { await tellOfRenewal() }
  }
}
