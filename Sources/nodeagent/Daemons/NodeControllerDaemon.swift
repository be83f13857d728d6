// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Glibc
import JSONRPC
import LinuxKernel
import NodeController

/// `nodeagent node-controller`: the privileged daemon in the foreground.
struct NodeControllerDaemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node-controller", abstract: "The privileged daemon, in the foreground.", shouldDisplay: false)
  @OptionGroup var options: InstanceOptions
  @Option(help: ArgumentHelp("Tell the outcome of the start on this descriptor.", visibility: .hidden))
  var readyDescriptor: Int32?
  @Option(help: ArgumentHelp("The systemd unit of the container controller.", visibility: .hidden))
  var containerUnit: String?

  func run() throws {
    try reporting {
      do {
        try Self.serve(try options.instance, containerUnit: containerUnit) { view in
          tell(
            view.state == .available
              ? "ok" : "the container controller does not start: \(view.reason ?? "no reason known")")
        }
      } catch {
        tell("\(error)")
        throw error
      }
    }
  }

  private func tell(_ text: String) {
    guard let readyDescriptor else { return }
    // Whoever started the daemon may have gone.
    try? FileSystem.write(Array(text.utf8), to: readyDescriptor)
    close(readyDescriptor)
  }

  static func serve(
    _ instance: Instance, containerUnit: String? = nil, started: @escaping @Sendable (SubsystemView) -> Void
  ) throws {
    let manager = ServiceManager()
    let sockets = try ListenDescriptors.take()
    try NodePrivileges.drop()
    try NodeNamespace.enter()
    let signals = try DaemonSignals.stream([
      (SIGTERM, NodeController.Order.keepContainers), (SIGINT, .stopContainers), (SIGHUP, .reload),
    ])
    let controller = try NodeController(
      instance: instance, containerUnit: containerUnit, manager: manager, logger: DaemonLog.make("node-controller"))
    try runBlocking { try await controller.run(signals: signals, listening: sockets["node"], started: started) }
  }
}
