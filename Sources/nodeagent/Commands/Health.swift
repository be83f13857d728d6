// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC

struct HealthCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Show what fails, since when, why, and what is being done about it.",
    discussion: "Exit code 0 when nothing fails, 5 when something does.",
    subcommands: [List.self, Maintenance.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "List health checks: those that fail first.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @Flag(help: "Show the last changes of each check, too.") var history = false
    @Argument(help: "Sub-systems, containers, or node; all when none is named.") var owners: [String] = []

    func run() throws {
      try reporting {
        let views = try HealthOwners.list(options, owners)
        if output.json { try output.print(views) } else { show(views) }
        if views.contains(where: { $0.state == .unhealthy }) { throw ExitCode(5) }
      }
    }

    private func show(_ views: [HealthView]) {
      var table = Table("OWNER", "CHECK", "STATE", "SINCE", "CHECKED", "TOOK", "")
      let sorted = views.sorted {
        ($0.state == .unhealthy ? 0 : 1, $0.owner) < ($1.state == .unhealthy ? 0 : 1, $1.owner)
      }
      for view in sorted {
        table.add(
          .init(HealthOwners.text(view)), .init(view.name), Self.state(view.state),
          .init(String(view.since.prefix(19)) + "Z"),
          .init(view.checked.map { String($0.prefix(19).suffix(8)) } ?? "-"),
          .init(view.milliseconds.map { "\(Format.decimal($0))ms" } ?? "-"),
          .init([view.output, view.remedy].compactMap { $0 }.joined(separator: " -> ")))
      }
      table.print()
      guard history else { return }
      for view in sorted {
        for change in view.history {
          print(
            "\(Terminal.styled(change.time, .dim))  \(HealthOwners.text(view))/\(view.name)  \(change.state.rawValue)\(change.output.map { ": \(Terminal.printable($0))" } ?? "")"
          )
        }
      }
    }

    private static func state(_ state: HealthState) -> Table.Cell {
      switch state {
      case .healthy: .init(state.rawValue, .green)
      case .unhealthy: .init(state.rawValue, .red)
      case .pending, .maintenance: .init(state.rawValue, .yellow)
      case .idle: .init(state.rawValue, .dim)
      }
    }
  }

  struct Maintenance: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Begin or end the maintenance of sub-systems or containers: meanwhile nothing is checked, and nothing restarted for health."
    )
    @OptionGroup var options: InstanceOptions
    @Argument(help: "on or off.") var mode: String
    @Argument(help: "Sub-systems, containers, or node; container/NAME where both have the name.") var owners: [String]

    func validate() throws { if mode != "on" && mode != "off" { throw ValidationError("the mode is on or off") } }

    func run() throws {
      try reporting {
        for owner in owners { try HealthOwners.maintenance(options, owner, on: mode == "on") }
      }
    }
  }
}
