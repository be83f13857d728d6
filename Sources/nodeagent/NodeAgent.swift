// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Glibc

/// The executable: the command line of the admin, and the daemons.
@main
struct NodeAgent: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodeagent",
    abstract: "Runs this machine as a managed node: containers from bundles, and what they need.",
    discussion: """
      Exit codes: 0 done; 1 refused or failed; 3 the agent does not run or cannot be reached; 4 there is no such thing; \
      5 the thing is in the wrong state, or exists already; 64 wrong usage. exec, wait and run --attach end with the \
      process's own code, or 128 and the signal's number.

      NODEAGENT_ROOT names the instance where --root does not. NO_COLOR turns colour off. Completions: nodeagent \
      --generate-completion-script bash|zsh|fish.
      """,
    version: AgentVersion.current,
    subcommands: [
      NodeControllerDaemon.self, ContainerControllerDaemon.self, CertificateManagerDaemon.self, GatewayDaemon.self,
      MonitorDaemon.self,
      Unpack.self, ClaimIDs.self,
      API.self,
    ],
    groupedSubcommands: [
      CommandGroup(name: "Agent", subcommands: [Up.self, Down.self, DoctorCommand.self, NodeCommand.self, RPC.self]),
      CommandGroup(
        name: "Containers",
        subcommands: [
          Run.self, Create.self, Start.self, Stop.self, Restart.self, Kill.self, Remove.self, PS.self, Logs.self,
          Inspect.self, Stats.self, Events.self, Exec.self, Wait.self,
        ]),
      CommandGroup(name: "Bundles", subcommands: [BundleCommand.self]),
      CommandGroup(name: "Sub-systems", subcommands: [SubsystemCommand.self, HealthCommand.self]),
      CommandGroup(name: "Watching", subcommands: [MetricsCommand.self, Alerts.self, Sinks.self]),
      CommandGroup(name: "Certificates", subcommands: [AuthorityCommand.self, CertificateCommand.self]),
      CommandGroup(name: "Network", subcommands: [FirewallCommand.self, NetworkCommand.self]),
    ])

  /// Options before the verb are as good as behind it: `nodeagent --node HOST ps`.
  static func main() {
    let (leading, rest) = LeadingOptions.split(Array(CommandLine.arguments.dropFirst()))
    for (name, value) in leading { setenv(name, value, 1) }
    main(rest)
  }
}
