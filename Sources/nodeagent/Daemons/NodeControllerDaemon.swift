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

  func run() throws {
    try reporting {
      do {
        try Self.serve(try options.instance) { view in
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

  static func serve(_ instance: Instance, started: @escaping @Sendable (SubsystemView) -> Void) throws {
    try NodePrivileges.drop()
    try NodeNamespace.enter()
    let signals = try DaemonSignals.stream([
      (SIGTERM, NodeController.End.keepContainers), (SIGINT, .stopContainers),
    ])
    let controller = try NodeController(instance: instance, logger: DaemonLog.make("node-controller"))
    try runBlocking { try await controller.run(signals: signals, started: started) }
  }
}
