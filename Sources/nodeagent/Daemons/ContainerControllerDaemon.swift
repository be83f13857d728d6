// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import ContainerController
import Glibc
import JSONRPC
import LinuxKernel
import NodeController

/// `nodeagent container-controller`: started by the node controller, with its listening socket as descriptor 3.
struct ContainerControllerDaemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "container-controller", abstract: "The unprivileged daemon.", shouldDisplay: false)
  @OptionGroup var options: InstanceOptions

  func run() throws {
    try reporting {
      let manager = ServiceManager()
      guard let listening = try ListenDescriptors.take().sockets.first?.socket else {
        throw ValidationError("the container controller is started by the node controller; use nodeagent up")
      }
      let instance = try options.instance
      let signals = try DaemonSignals.stream([
        (SIGTERM, ContainerController.Order.keepContainers), (SIGINT, .stopContainers),
      ])
      let layout = try AgentCgroup.layout(try FileSystem.readText("\(instance.runDirectory)/cgroup"))
      let controller = try ContainerController(
        instance: instance, cgroups: try AgentCgroup.open(instance), unifiedCgroups: layout.mode == .unified,
        manager: manager, isShuttingDown: { Systemctl.isShuttingDown() }, logger: DaemonLog.make("container-controller")
      )
      try runBlocking { try await controller.run(listening, orders: signals) }
    }
  }
}
