// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Glibc
import NodeMonitor

/// `nodeagent monitor`: started by the node controller, as a user of its own.
struct MonitorDaemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "monitor", abstract: "The daemon that looks at services.", shouldDisplay: false)
  @OptionGroup var options: InstanceOptions
  @Option(help: ArgumentHelp("Serve the metrics over HTTP here, too: tcp://ADDRESS:PORT.", visibility: .hidden))
  var metricsListen: [String] = []
  @Option(
    help: ArgumentHelp("The cloud that this machine is in: auto, ec2, openstack, gce or azure.", visibility: .hidden))
  var cloud: String?
  @Option(help: ArgumentHelp("Where that tells of it.", visibility: .hidden))
  var cloudEndpoint: String?

  func run() throws {
    try reporting {
      let instance = try options.instance
      let end = try DaemonSignals.stream([(SIGTERM, ()), (SIGINT, ())])
      let monitor = NodeMonitor(instance: instance, manager: ServiceManager(), logger: DaemonLog.make("monitor"))
      let given = try ListenDescriptors.take()
      try runBlocking {
        try await monitor.run(given: given, listen: metricsListen, cloud: cloud, endpoint: cloudEndpoint, until: end)
      }
    }
  }
}
