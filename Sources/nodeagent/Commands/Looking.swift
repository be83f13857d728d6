// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Foundation
import JSONRPC

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show everything about containers, as JSON.")
  @OptionGroup var options: InstanceOptions
  @Argument(help: "Containers.") var names: [String]

  func run() throws {
    try reporting {
      let client = try options.containers()
      let all = try names.map { try client.call(ContainerMethods.inspect, .init(name: $0)) }
      print(try JSONCoding.encodePretty(all))
    }
  }
}

struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show what running containers use.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var output: JSONOption
  @Flag(name: .shortAndLong, help: "Go on, once a second.") var follow = false
  @Flag(name: .shortAndLong, help: "What their endpoints have moved instead.") var endpoints = false
  @Argument(help: "Containers; all when none is named.") var names: [String] = []

  func run() throws {
    try reporting {
      if endpoints { return try showEndpoints() }
      let client = try options.containers()
      let query = ContainerMethods.Query(names: names.isEmpty ? nil : names)
      repeat {
        let all = try client.call(ContainerMethods.stats, query)
        if output.json {
          if follow {
            for stats in all { print(String(decoding: try JSONCoding.encode(stats), as: UTF8.self)) }
          } else {
            try output.print(all)
          }
        } else {
          if follow && Terminal.coloursOutput { print("\u{1b}[2J\u{1b}[H", terminator: "") }
          show(all)
        }
        fflush(nil)
        if follow { Thread.sleep(forTimeInterval: 1) }
      } while follow
    }
  }

  private func show(_ all: [ContainerStats]) {
    var table = Table(
      "NAME", "CPU", "THROTTLED", "MEMORY", "PEAK", "OOM KILLS", "PIDS", "RECEIVED", "SENT", "READ", "WRITTEN")
    for stats in all {
      let usage = stats.usage
      table.add(
        .init(stats.name), .init(stats.cpuPercent.map(Format.percent) ?? "-"),
        .init(usage.throttledMicroseconds.map { Format.duration(milliseconds: Int64($0 / 1000)) } ?? "-"),
        .init(usage.memory.map { Format.bytes($0, of: usage.memoryLimit) } ?? "-"),
        .init(usage.memoryPeak.map { Format.bytes($0) } ?? "-"), .init(usage.oomKills.map(String.init) ?? "-"),
        .init(usage.pids.map { pids in usage.pidsLimit.map { "\(pids)/\($0)" } ?? "\(pids)" } ?? "-"),
        .init(Self.bytes(usage.networkReceivedBytes)), .init(Self.bytes(usage.networkSentBytes)),
        .init(Self.bytes(usage.readBytes)), .init(Self.bytes(usage.writtenBytes)))
    }
    table.print()
  }

  private static func bytes(_ count: UInt64?) -> String { count.map { Format.bytes($0) } ?? "-" }

  private func showEndpoints() throws {
    let client = try options.controller()
    repeat {
      let all = try client.call(NetworkMethods.status).containers.filter { names.isEmpty || names.contains($0.name) }
      if output.json {
        try output.print(all)
      } else {
        if follow && Terminal.coloursOutput { print("\u{1b}[2J\u{1b}[H", terminator: "") }
        var table = EndpointTable.header(withContainer: true)
        for container in all {
          for endpoint in container.endpoints { EndpointTable.add(endpoint, of: container.name, to: &table) }
        }
        table.print()
      }
      fflush(nil)
      if follow { Thread.sleep(forTimeInterval: 1) }
    } while follow
  }
}

struct Events: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what happened to containers, bundles, sub-systems and the node.",
    discussion: "The last 100 where neither --since nor -n says otherwise. Events are kept on disk, within a bound.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var output: JSONOption
  @Flag(name: .shortAndLong, help: "Go on as things happen.") var follow = false
  @Option(
    name: [.customShort("n"), .customLong("lines")], help: ArgumentHelp("Only the last events.", valueName: "count"))
  var last: Int?
  @Option(
    help: ArgumentHelp("Only from this time on: RFC 3339, or a duration before now such as 10m.", valueName: "time"))
  var since: String?
  @Option(
    help: ArgumentHelp(
      "Only of this kind: container, bundle, subsystem, health, alert, node, firewall, network.", valueName: "kind"))
  var kind: [String] = []
  @Option(help: ArgumentHelp("Only of at least this severity: info, warning, error.", valueName: "severity"))
  var severity: String?
  @Argument(help: "Containers, bundles or sub-systems; all when none is named.") var names: [String] = []

  func validate() throws {
    if let last, last < 0 { throw ValidationError("-n takes a number from 0 on") }
    if let severity, AgentEvent.Severity(rawValue: severity) == nil {
      throw ValidationError("--severity takes info, warning or error")
    }
  }

  func run() throws {
    try reporting {
      let client = try options.controller()
      let query = EventMethods.Query(
        names: names.isEmpty ? nil : names, kinds: kind.isEmpty ? nil : kind, since: since,
        severity: severity.flatMap(AgentEvent.Severity.init(rawValue:)), last: last ?? (since == nil ? 100 : nil))
      guard follow else { return try client.call(EventMethods.list, query).forEach(show) }
      _ = try client.subscribe(EventMethods.topic, query)
      while let delivery = try client.next(AgentEvent.self) {
        switch delivery {
        case .event(let event): try show(event)
        case .dropped(let count): Terminal.complain("\(count) events were left out: this reader was too slow")
        case .end(let error): if let error { throw error }
        }
      }
      throw RPCError(.unavailable, "the agent closed the connection")
    }
  }

  private func show(_ event: AgentEvent) throws {
    if output.json {
      return Terminal.write(String(decoding: try JSONCoding.encode(event), as: UTF8.self) + "\n", to: 1)
    }
    let cause = event.cause.map { ": \(Terminal.printable($0))" } ?? ""
    let word =
      switch event.severity {
      case .info: event.event
      case .warning: Terminal.styled(event.event, .yellow)
      case .error: Terminal.styled(event.event, .red)
      }
    Terminal.write("\(Terminal.styled(event.time, .dim))  \(event.kind) \(event.name)  \(word)\(cause)\n", to: 1)
  }
}

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Show what this machine offers to containers, and what it lacks.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var output: JSONOption

  func run() throws {
    try reporting {
      let client = try options.controller()
      let findings = try client.call(NodeMethods.doctor)
      let info = try client.call(NodeMethods.info)
      let all =
        findings
        + info.subsystems.map { view in
          Finding(
            [.available, .reloading].contains(view.state) ? .ok : view.state == .starting ? .warning : .problem,
            view.name,
            "\(view.state.rawValue), pid \(view.pid.map(String.init) ?? "-"), uid \(view.uid.map(String.init) ?? "-"), \(view.restarts) restarts\(view.reason.map { ", \($0)" } ?? "")"
          )
        }
      if output.json {
        try output.print(all)
      } else {
        var table = Table("", "SUBJECT", "FINDING")
        for finding in all { table.add(Self.mark(finding.level), .init(finding.subject), .init(finding.text)) }
        table.print()
      }
      if all.contains(where: { $0.level == .problem }) { throw ExitCode(1) }
    }
  }

  private static func mark(_ level: Finding.Level) -> Table.Cell {
    switch level {
    case .ok: .init("ok", .green)
    case .warning: .init("warning", .yellow)
    case .problem: .init("problem", .red)
    }
  }
}

struct RPC: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Call a method of the API and print its result.",
    discussion:
      "For example: nodeagent rpc container.list, or nodeagent rpc node.info. rpc.discover describes all of a socket."
  )

  enum Socket: String, ExpressibleByArgument, CaseIterable {
    case container, node, cert, metrics

    private var document: APIDocument {
      switch self {
      case .container: .containers
      case .node: .node
      case .cert: .certificates
      case .metrics: .metrics
      }
    }

    /// One that nobody has is refused by the container controller, which says so.
    static func having(_ method: String) -> Socket {
      allCases.first { socket in socket.document.methods.contains { $0.name == method } } ?? .container
    }
  }

  @OptionGroup var options: InstanceOptions
  @Option(help: "container, node, cert or metrics; else the first that has the method.") var socket: Socket?
  @Option(help: ArgumentHelp("Give up after so many milliseconds.", valueName: "ms")) var deadline: Int64?
  @Argument(help: "The method.") var method: String
  @Argument(help: "The parameters, a JSON object.") var params = "{}"

  func run() throws {
    try reporting {
      let value: JSONValue
      do {
        value = try JSONCoding.decode(JSONValue.self, from: Array(params.utf8))
      } catch {
        throw ValidationError("the parameters are not JSON")
      }
      let client =
        switch socket ?? Socket.having(method) {
        case .container: try options.containers()
        case .node: try options.controller()
        case .cert: try options.certificates()
        case .metrics: try options.metrics()
        }
      print(try JSONCoding.encodePretty(try client.call(method, params: value, deadline: deadline)))
    }
  }
}
