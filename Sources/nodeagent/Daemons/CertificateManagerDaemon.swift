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
  @Option(help: ArgumentHelp("Who the gateway is, where there is one.", visibility: .hidden)) var gatewayUID: UInt32?
  @Option(help: ArgumentHelp("An authority elsewhere.", visibility: .hidden)) var authority: String?
  @Option(help: ArgumentHelp("The hash of its root.", visibility: .hidden)) var authorityRoot: String?
  @Option(
    help: ArgumentHelp("Where the first token comes from; with it the authority is elsewhere.", visibility: .hidden))
  var bootstrap: String?

  func run() throws {
    try reporting {
      let end = try DaemonSignals.stream([(SIGTERM, ()), (SIGINT, ())])
      let given = try ListenDescriptors.take()
      guard let listening = given["cert"] else {
        throw ValidationError("the certificate manager is started by the node controller; use nodeagent up")
      }
      let source = try bootstrap.map { text in
        guard let source = BootstrapSource(text) else { throw ValidationError("--bootstrap is no source: \(text)") }
        return source
      }
      let manager = try CertificateManager(
        instance: try options.instance, number: number,
        authority: source.map { AuthoritySettings(url: authority, root: authorityRoot, bootstrap: $0) },
        manager: ServiceManager(),
        logger: DaemonLog.make("cert-manager"))
      let daemons = CertificateManager.Daemons(containerController: controllerUID, gateway: gatewayUID)
      try runBlocking { try await manager.run(listening, callBack: given["callback"], daemons: daemons, until: end) }
    }
  }
}
