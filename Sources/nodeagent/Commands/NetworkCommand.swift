// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC

struct NetworkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "network", abstract: "Look at the containers' network, and join it with other nodes'.",
    discussion:
      "The pools and the peers stand in network.yaml; peers count once they are applied, pools when no container has a network.",
    subcommands: [List.self, Inspect.self, Apply.self, Peer.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "List the containers in the network, and the peers.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption

    func run() throws {
      try reporting {
        let status = try options.controller().call(NetworkMethods.status)
        if output.json { return try output.print(status) }
        NetworkCommand.show(status)
      }
    }
  }

  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show containers' addresses and what their endpoints moved.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @Argument(help: "Containers; all where none is named.") var containers: [String] = []

    func run() throws {
      try reporting {
        let status = try options.controller().call(NetworkMethods.status)
        let known = Dictionary(status.containers.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let wanted = try (containers.isEmpty ? status.containers.map(\.name) : containers).map { name in
          guard let container = known[name] else {
            throw RPCError(
              .notFound, "no container \(name) is in the network; nodeagent network ls lists those that are")
          }
          return container
        }
        if output.json { return try output.print(wanted) }
        for container in wanted { Self.show(container) }
      }
    }

    private static func show(_ container: NetworkMethods.Container) {
      print(Terminal.styled(container.name, .bold))
      func line(_ name: String, _ value: String?) {
        guard let value, !value.isEmpty else { return }
        print("  \(name)\(String(repeating: " ", count: max(1, 12 - name.count)))\(value)")
      }
      line("address", [container.address, container.address6].compactMap { $0 }.joined(separator: ", "))
      line("interface", "\(container.interface) (\(container.hardwareAddress) inside)")
      line("links", container.links.joined(separator: ", "))
      line("receives", container.receiveLimit.map { "at most \(Self.rate($0))" })
      line("sends", container.sendLimit.map { "at most \(Self.rate($0))" })
      guard !container.endpoints.isEmpty else { return }
      var table = EndpointTable.header(withContainer: false)
      for endpoint in container.endpoints { EndpointTable.add(endpoint, of: nil, to: &table) }
      table.print()
    }

    private static func rate(_ bytes: UInt64) -> String {
      let bits = bytes * 8
      if bits >= 1_000_000_000, bits % 1_000_000_000 == 0 { return "\(bits / 1_000_000_000)Gbit" }
      if bits >= 1_000_000, bits % 1_000_000 == 0 { return "\(bits / 1_000_000)Mbit" }
      return bits % 1000 == 0 ? "\(bits / 1000)kbit" : "\(bits)bit"
    }
  }

  struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take up the peers of network.yaml.")
    @OptionGroup var options: InstanceOptions

    func run() throws { try reporting { NetworkCommand.show(try options.controller().call(NetworkMethods.apply)) } }
  }

  struct Peer: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add and remove other nodes.", subcommands: [Add.self, Remove.self])

    struct Add: ParsableCommand {
      static let configuration = CommandConfiguration(
        abstract: "Add a node, whose containers are routed to, and which belongs to the cluster then.")
      @OptionGroup var options: InstanceOptions
      @Argument(help: "What it is called here.") var name: String
      @Option(help: "Its own address.") var address: String
      @Option(help: "Its own IPv6 address, where that is routed to, too.") var address6: String?
      @Option(help: ArgumentHelp("Its containers' IPv4 network.", valueName: "network")) var pool: String
      @Option(help: ArgumentHelp("Its containers' IPv6 network.", valueName: "network")) var pool6: String?
      @Option(help: "route or vxlan.") var via = NetworkPeer.Way.route

      func run() throws {
        try reporting {
          let peer = NetworkPeer(
            name: name, address: address, address6: address6, pool: pool, pool6: pool6, via: via)
          _ = try options.controller().call(NetworkMethods.addPeer, peer)
        }
      }
    }

    struct Remove: ParsableCommand {
      static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove a node that was added.")
      @OptionGroup var options: InstanceOptions
      @Argument(help: "The peer.") var name: String

      func run() throws {
        try reporting { _ = try options.controller().call(NetworkMethods.removePeer, .init(name: name)) }
      }
    }
  }

  private static func show(_ status: NetworkMethods.Status) {
    print(
      "bridge \(status.bridge)\(status.isThere ? "" : " (made with the first container)"): \([status.pool, status.pool6].compactMap { $0 }.joined(separator: ", "))"
    )
    if let next = status.nextPool {
      print(Terminal.styled("network.yaml says \(next): in use once the agent has been taken down", .yellow))
    }
    if !status.containers.isEmpty {
      var table = Table("CONTAINER", "ADDRESS", "IPV6", "INTERFACE", "LINKS", "ENDPOINTS")
      for container in status.containers {
        table.add(
          .init(container.name), .init(container.address), .init(container.address6 ?? "-"),
          .init(container.interface),
          .init(container.links.isEmpty ? "-" : container.links.joined(separator: ",")),
          .init(String(container.endpoints.count)))
      }
      table.print()
    }
    guard !status.peers.isEmpty else { return }
    var table = Table("PEER", "ADDRESS", "POOL", "VIA", "FROM", "STATE")
    for view in status.peers {
      table.add(
        .init(view.peer.name), .init(view.peer.address),
        .init([view.peer.pool, view.peer.pool6].compactMap { $0 }.joined(separator: ", ")),
        .init(view.peer.via.rawValue), .init(view.source.rawValue), .init(view.problem ?? "routed"))
    }
    table.print()
  }
}

extension NetworkPeer.Way: ExpressibleByArgument {}
