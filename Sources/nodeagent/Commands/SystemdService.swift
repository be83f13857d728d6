// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import NodeController

/// The installed package's agent, where systemd runs it.
enum SystemdService {
  private static let sockets = ["nodeagent.socket", "nodeagent-container.socket"]
  private static let services = ["nodeagent.service", "nodeagent-container.service"]

  static func runs(_ instance: Instance) -> Bool {
    instance.root == "/" && Systemctl.isThere
      && ["/lib/systemd/system", "/etc/systemd/system"].contains { FileSystem.exists("\($0)/nodeagent.service") }
  }

  static func start() throws { try Systemctl.run(["start"] + sockets + services) }
  static func stop() throws { try Systemctl.run(["stop"] + sockets + services) }
}
