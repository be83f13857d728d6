// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import CertManager
import Glibc

/// `nodeagent cert-manager`: started by the node controller, as a user of its own.
struct CertificateManagerDaemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cert-manager", abstract: "The daemon that gives agents their identities.", shouldDisplay: false)
  @OptionGroup var options: InstanceOptions
  @Option(help: ArgumentHelp("The instance's number.", visibility: .hidden)) var number: Int
  @Option(help: ArgumentHelp("Who the container controller is.", visibility: .hidden)) var controllerUID: UInt32

  func run() throws {
    try reporting {
      let end = try DaemonSignals.stream([(SIGTERM, ()), (SIGINT, ())])
      guard let listening = try ListenDescriptors.take()["cert"] else {
        throw ValidationError("the certificate manager is started by the node controller; use nodeagent up")
      }
      let manager = try CertificateManager(
        instance: try options.instance, number: number, credential: nil, manager: ServiceManager(),
        logger: DaemonLog.make("cert-manager"))
      let daemons = CertificateManager.Daemons(containerController: controllerUID)
      try runBlocking { try await manager.run(listening, daemons: daemons, until: end) }
    }
  }
}
