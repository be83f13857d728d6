// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Configuration
import Glibc
import JSONRPC

struct FirewallCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "firewall", abstract: "Say who may reach what on this node.",
    discussion:
      "The policy stands in firewall.yaml, and counts once it is applied. A change is one transaction: it is made as a whole or not at all.",
    subcommands: [List.self, Plan.self, Apply.self, Confirm.self, Open.self, Close.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List what is open, and for whom.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption

    func run() throws {
      try reporting {
        let listing = try options.controller().call(FirewallMethods.list)
        if output.json { return try output.print(listing) }
        var table = Table("NAME", "PORTS", "SCOPE", "FROM", "TARGET", "LIMITS")
        for view in listing.endpoints {
          table.add(
            .init(view.endpoint.name), .init(view.endpoint.portsText), .init(view.endpoint.scope.rawValue),
            .init(view.source.rawValue), .init(view.target ?? "-"), .init(Self.limits(view.endpoint)))
        }
        table.print()
        let policy = listing.policy
        print(
          "cluster: \(policy.cluster.isEmpty ? "nobody" : policy.cluster.joined(separator: ", ")); other ports: \(policy.otherwise.rawValue)\(policy.containers.map { "; containers' endpoints: at most \($0.rawValue)" } ?? "")"
        )
        if let until = listing.unconfirmedUntil {
          print(
            Terminal.styled(
              "on probation: taken back at \(until), unless nodeagent firewall confirm comes first", .yellow))
        }
      }
    }

    private static func limits(_ endpoint: FirewallEndpoint) -> String {
      let words = [endpoint.rate.map { "\($0)" }, endpoint.ratePerSource.map { "\($0) per source" }].compactMap { $0 }
      return words.isEmpty ? "-" : words.joined(separator: ", ")
    }
  }

  /// How a change is made.
  struct ChangeOptions: ParsableArguments {
    @Flag(help: "Also when it locks somebody out.") var force = false
    @Option(
      help: ArgumentHelp("Take it back after this time, such as 60s, unless it is confirmed.", valueName: "duration"))
    var confirmWithin: String?

    func change(dryRun: Bool = false) throws -> FirewallMethods.Change {
      let pause = try confirmWithin.map { text in
        guard let pause = Quantity.milliseconds(text) else {
          throw ValidationError("--confirm-within is a duration such as 60s, not \(text)")
        }
        return pause
      }
      return .init(dryRun: dryRun, force: force, confirmWithin: pause, protect: Self.ownConnections)
    }

    /// What sshd says of the connection that this runs in (ssh(1)).
    private static var ownConnections: [FirewallMethods.Connection] {
      guard let text = getenv("SSH_CONNECTION").map({ String(cString: $0) }) else { return [] }
      let fields = text.split(separator: " ")
      guard fields.count == 4, let port = UInt16(fields[3]) else { return [] }
      return [.init(source: String(fields[0]), port: port)]
    }
  }

  struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what applying firewall.yaml would change.",
      discussion: "Exit code 0 when nothing would, 5 when something.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption

    func run() throws {
      try reporting {
        let plan = try options.controller().call(FirewallMethods.apply, ChangeOptions.parse([]).change(dryRun: true))
        if output.json { try output.print(plan) } else { FirewallCommand.show(plan) }
        if !plan.changes.isEmpty { throw ExitCode(5) }
      }
    }
  }

  struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make firewall.yaml what is enforced.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var change: ChangeOptions

    func run() throws {
      try reporting {
        FirewallCommand.show(try options.controller().call(FirewallMethods.apply, try change.change()))
        if let pause = change.confirmWithin { FirewallCommand.tellProbation(pause) }
      }
    }
  }

  struct Confirm: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Keep what was changed on probation.")
    @OptionGroup var options: InstanceOptions
    func run() throws { try reporting { _ = try options.controller().call(FirewallMethods.confirm) } }
  }

  struct Open: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Open ports of the node, also after a boot.",
      discussion: "Example: nodeagent firewall open 5432/tcp --scope cluster")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var change: ChangeOptions
    @Argument(help: "PORT, PORT/udp, or FIRST-LAST/tcp.") var ports: String
    @Option(help: "node, cluster or internet.") var scope: String
    @Option(help: "How it is called; port-PORT-PROTOCOL if not given.") var name: String?
    @Option(help: "New connections of all sources together, such as 100/second.") var rate: String?
    @Option(help: "New connections of each source, such as 10/minute.") var perSource: String?

    func run() throws {
      try reporting {
        let plan = try options.controller().call(
          FirewallMethods.open, .init(endpoint: try endpoint(), change: try change.change()))
        FirewallCommand.show(plan)
        if let pause = change.confirmWithin { FirewallCommand.tellProbation(pause) }
      }
    }

    private func endpoint() throws -> FirewallEndpoint {
      let parts = ports.split(separator: "/", omittingEmptySubsequences: false)
      let ends = (parts.first ?? "").split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
      guard (1...2).contains(parts.count), (1...2).contains(ends.count), let first = ends[0],
        let last = ends[ends.count - 1],
        let proto = parts.count == 2 ? TransportProtocol(rawValue: String(parts[1])) : .tcp
      else { throw ValidationError("\(ports) is no port: PORT, PORT/udp, or FIRST-LAST/tcp") }
      guard let scope = EndpointScope(rawValue: scope) else {
        throw ValidationError("the scope is node, cluster or internet")
      }
      func parsed(_ text: String?) throws -> PacketRate? {
        try text.map { text in
          guard let rate = PacketRate(text) else {
            throw ValidationError("\(text) is no rate; it is a number a second, minute, hour or day, such as 10/minute")
          }
          return rate
        }
      }
      return FirewallEndpoint(
        name: name ?? "port-\(first)-\(proto.rawValue)", proto: proto, first: first, last: last, scope: scope,
        rate: try parsed(rate), ratePerSource: try parsed(perSource))
    }
  }

  struct Close: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take back what was opened.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var change: ChangeOptions
    @Argument(help: "Its name.") var name: String

    func run() throws {
      try reporting {
        FirewallCommand.show(
          try options.controller().call(FirewallMethods.close, .init(name: name, change: try change.change())))
        if let pause = change.confirmWithin { FirewallCommand.tellProbation(pause) }
      }
    }
  }

  private static func show(_ plan: FirewallMethods.Plan) {
    for line in plan.changes {
      let style: Terminal.Style = line.hasPrefix("+") ? .green : line.hasPrefix("-") ? .red : .yellow
      print(Terminal.styled(Terminal.printable(line), style))
    }
    if plan.changes.isEmpty { print("nothing changes") }
    for line in plan.lockedOut { print(Terminal.styled("locks out \(line)", .red)) }
  }

  private static func tellProbation(_ pause: String) {
    print("taken back in \(pause), unless nodeagent firewall confirm comes first")
  }
}
