// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC

struct SubsystemCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "subsystem", abstract: "The services of this machine that the agent keeps running.",
    discussion:
      "Unit files are in /etc/nodeagent/subsystems.d. Commands that change something first show what they will do, and with -n only that.",
    subcommands: [List.self, Status.self, Start.self, Stop.self, Restart.self, Reload.self, Logs.self],
    defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List sub-systems.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption

    func run() throws {
      try reporting {
        let views = try options.controller().call(SubsystemMethods.list, .init())
        if output.json { return try output.print(views) }
        var table = Table("NAME", "STATE", "START", "PID", "MEMORY", "RESTARTS", "SINCE", "")
        for view in views {
          table.add(
            .init(view.name), SubsystemText.state(view), .init(view.start.rawValue),
            .init(view.pid.map(String.init) ?? "-"), .init(view.memory.map { Format.bytes($0) } ?? "-"),
            .init(String(view.restarts)), .init(view.since.map { String($0.prefix(19)) + "Z" } ?? "-"),
            .init(view.state == .available ? view.status ?? view.about ?? "" : view.reason ?? "", .dim))
        }
        table.print()
      }
    }
  }

  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "status", abstract: "Show everything about sub-systems, with the end of their logs.",
      discussion: "Exit code 0 when all are available, 5 when one is not.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @Argument(help: "Sub-systems.") var names: [String]

    func run() throws {
      try reporting {
        let client = try options.controller()
        let all = try names.map { try client.call(SubsystemMethods.inspect, .init(name: $0)) }
        if output.json {
          try output.print(all)
        } else {
          for details in all { try SubsystemText.show(details, client) }
        }
        if all.contains(where: { $0.view.state != .available }) { throw ExitCode(5) }
      }
    }
  }

  struct Start: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Start sub-systems, and first what they require; returns when they are available.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var change: ChangeOptions
    func run() throws { try change.run(options, SubsystemMethods.start) }
  }

  struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stop sub-systems, and first those that require them.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var change: ChangeOptions
    func run() throws { try change.run(options, SubsystemMethods.stop) }
  }

  struct Restart: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stop sub-systems with those that require them, and start the same again.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var change: ChangeOptions
    func run() throws { try change.run(options, SubsystemMethods.restart) }
  }

  struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Tell sub-systems to read their configuration again; without names, read the unit files again.",
      discussion:
        "Without names: starts what is new, stops what is gone, and restarts what has to run differently. With an error in one file nothing is changed."
    )
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @Flag(name: [.customShort("n"), .long], help: "Only show what would be done.") var dryRun = false
    @Argument(help: "Sub-systems.") var names: [String] = []

    func run() throws {
      try reporting {
        let client = try options.controller()
        if names.isEmpty {
          try SubsystemText.carryOut(json: output.json, dryRun: dryRun) {
            try client.call(SubsystemMethods.apply, .init(dryRun: $0))
          }
        } else {
          try SubsystemText.carryOut(json: output.json, dryRun: dryRun) {
            try client.call(SubsystemMethods.reload, .init(names: names, dryRun: $0))
          }
        }
      }
    }
  }

  struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a sub-system's log.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var show: LogOptions

    func run() throws { try reporting { try show.print(from: try options.controller()) } }
  }
}

/// What start, stop and restart have in common.
struct ChangeOptions: ParsableArguments {
  @OptionGroup var output: JSONOption
  @Flag(name: [.customShort("n"), .long], help: "Only show what would be done.") var dryRun = false
  @Argument(help: "Sub-systems.") var names: [String]

  func run(_ options: InstanceOptions, _ method: Method<SubsystemMethods.Change, SubsystemPlan>) throws {
    try reporting {
      let client = try options.controller()
      try SubsystemText.carryOut(json: output.json, dryRun: dryRun) {
        try client.call(method, .init(names: names, dryRun: $0))
      }
    }
  }
}
