// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC

struct NodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node", abstract: "The machine as a node: what it is, and whether it takes containers.",
    subcommands: [Status.self, MarkUnavailable.self, MarkAvailable.self], defaultSubcommand: Status.self)

  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the node's state, identity and inventory.", discussion: "Exit code 5 when it is not available.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption

    func run() throws {
      try reporting {
        let status = try options.controller().call(NodeMethods.status)
        if output.json { try output.print(status) } else { show(status) }
        if status.state != .available { throw ExitCode(5) }
      }
    }

    private func show(_ status: NodeStatus) {
      func line(_ name: String, _ text: String?) {
        guard let text, !text.isEmpty else { return }
        print("\(name + String(repeating: " ", count: max(1, 12 - name.count)))\(Terminal.printable(text))")
      }
      let identity = status.identity
      let inventory = status.inventory
      line("node", identity.fqdn ?? identity.hostname)
      let style: Terminal.Style = status.state == .available ? .green : .yellow
      print("state       \(Terminal.styled(status.state.rawValue, style)) since \(status.since)")
      line("reason", status.reason)
      line("machine", identity.machineID)
      line("boot", identity.bootID.map { "\($0) at \(identity.booted ?? "?")" })
      line(
        "system",
        [inventory.system, inventory.kernel, inventory.architecture].compactMap { $0 }.joined(separator: ", "))
      line("has", "\(inventory.processors) processors, \(Format.bytes(inventory.memory)) memory")
      line("disk", "\(Format.bytes(inventory.diskFree)) free of \(Format.bytes(inventory.disk))")
      line(
        "sub-systems",
        status.subsystems.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", "))
      line("unhealthy", status.unhealthy.joined(separator: ", "))
    }
  }

  struct MarkUnavailable: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "mark-unavailable", abstract: "Take no new containers from now on, also after a boot.",
      discussion: "What runs goes on, unless it is to be stopped; containers that exist can be started and stopped.")
    @OptionGroup var options: InstanceOptions
    @Option(help: "Why, for those who wonder.") var reason: String?
    @Flag(help: "Stop the containers, one after another, each as its bundle says.") var stop = false

    func run() throws {
      try reporting {
        _ = try options.controller().call(NodeMethods.markUnavailable, .init(reason: reason))
        guard stop else { return }
        let client = try options.containers()
        var failed: (any Error)?
        for view in try client.call(ContainerMethods.list, .init()) where view.state.isRunning {
          do {
            _ = try client.call(ContainerMethods.stop, .init(name: view.name))
            print(view.name)
          } catch {
            Terminal.complain("\(error)")
            failed = error
          }
        }
        if failed != nil { throw ExitCode(1) }
      }
    }
  }

  struct MarkAvailable: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "mark-available", abstract: "Take new containers again.")
    @OptionGroup var options: InstanceOptions

    func run() throws {
      try reporting { _ = try options.controller().call(NodeMethods.markAvailable) }
    }
  }
}
