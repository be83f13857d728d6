// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC

struct PS: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List containers: those that run or have failed; all with -a.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var output: JSONOption
  @Flag(name: .shortAndLong, help: "Also those that were stopped or never started.") var all = false
  @Flag(name: .shortAndLong, help: "Only the names.") var quiet = false

  func run() throws {
    try reporting {
      let views = try options.containers().call(ContainerMethods.list, .init())
        .filter { all || $0.state.isRunning || $0.state == .failed }
      if output.json { return try output.print(views) }
      if quiet { return views.forEach { print($0.name) } }
      var table = Table("NAME", "BUNDLE", "STATE", "UP", "PID", "CPU", "MEMORY", "RESTARTS", "ENDPOINTS")
      for view in views {
        table.add(
          .init(view.name), .init(view.bundle), Self.state(view),
          .init(view.uptimeMilliseconds.map { Format.duration(milliseconds: $0) } ?? "-"),
          .init(view.pid.map(String.init) ?? "-"), .init(view.cpuPercent.map(Format.percent) ?? "-"),
          .init(view.memory.map { Format.bytes($0, of: view.memoryLimit) } ?? "-"), .init(String(view.restarts)),
          .init(Self.endpoints(view)))
      }
      table.print()
    }
  }

  private static func state(_ view: ContainerView) -> Table.Cell {
    switch view.state {
    case .available: .init("available\(health(view))", .green)
    case .failed: .init("failed\(view.reason.map { ": \($0.prefix(60))" } ?? "")", .red)
    case .stopped:
      .init(
        view.exitSignal.map { "stopped (\(SignalText.name($0)))" } ?? view.exitCode.map { "stopped (\($0))" }
          ?? "stopped", .dim)
    case .unavailable: .init("unavailable\(health(view))", .yellow)
    case .initializing, .stopping: .init(view.state.rawValue, .yellow)
    default: .init(view.state.rawValue)
    }
  }

  private static func health(_ view: ContainerView) -> String { view.health.map { " (\($0.rawValue))" } ?? "" }

  static func endpoints(_ view: ContainerView) -> String {
    let published = view.endpoints.compactMap { endpoint in
      endpoint.hostPort.map { port in
        let last = endpoint.count.map { "-\(Int(port) + Int($0) - 1)" } ?? ""
        return "\(endpoint.scope):\(endpoint.hostAddress ?? ""):\(port)\(last)/\(endpoint.proto)"
      }
    }
    return published.isEmpty ? "-" : published.joined(separator: ", ")
  }
}
