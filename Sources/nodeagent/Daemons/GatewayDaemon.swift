// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Glibc
import RemoteAccess

/// `nodeagent gateway`: started by the node controller, as a user of its own, with sockets that listen.
struct GatewayDaemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway", abstract: "The daemon that lets callers from other machines in.", shouldDisplay: false)
  @OptionGroup var options: InstanceOptions

  func run() throws {
    try reporting {
      let end = try DaemonSignals.stream([(SIGTERM, ()), (SIGINT, ())])
      let sockets = try ListenDescriptors.take().sockets.map(\.socket)
      guard !sockets.isEmpty else {
        throw ValidationError("the gateway is started by the node controller, where certificates.yaml has remote")
      }
      let gateway = Gateway(
        instance: try options.instance, manager: ServiceManager(), logger: DaemonLog.make("gateway"))
      try runBlocking { try await gateway.run(sockets, until: end) }
    }
  }
}
