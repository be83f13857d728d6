// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC

/// Sub-systems and plans for people.
enum SubsystemText {
  static func state(_ view: SubsystemView) -> Table.Cell {
    let state = view.state
    return switch state {
    case .available where view.health == .unhealthy: .init("available, unhealthy", .red)
    case .available: .init(state.rawValue, .green)
    case .failed: .init(state.rawValue, .red)
    case .stopped: .init(state.rawValue, .dim)
    case .waiting, .starting, .reloading, .stopping, .backoff: .init(state.rawValue, .yellow)
    }
  }

  /// Shows the plan, carries it out, and tells of each step that failed.
  static func carryOut(json: Bool, dryRun: Bool, _ call: (_ dryRun: Bool) throws -> SubsystemPlan) throws {
    if json {
      let plan = try call(dryRun)
      print(try JSONCoding.encodePretty(plan))
      if plan.steps.contains(where: { $0.problem != nil }) { throw ExitCode(1) }
      return
    }
    let planned = try call(true)
    guard !planned.steps.isEmpty else { return print("nothing to do") }
    for step in planned.steps {
      print("\(Terminal.styled(step.action.rawValue, .bold)) \(step.name)  \(Terminal.styled(step.reason, .dim))")
    }
    if dryRun { return }
    let done = try call(false)
    let failed = done.steps.filter { $0.problem != nil }
    for step in failed { Terminal.complain("\(step.action.rawValue) \(step.name): \(step.problem ?? "")") }
    if !failed.isEmpty { throw ExitCode(1) }
    print("done")
  }

  static func show(_ details: SubsystemDetails, _ client: RPCClient) throws {
    let view = details.view
    let spec = details.spec
    let colour = state(view)
    print("\(Terminal.styled(view.name, .bold))\(view.about.map { " - \(Terminal.printable($0))" } ?? "")")
    func line(_ name: String, _ text: String?) {
      guard let text, !text.isEmpty else { return }
      print("  \(name + String(repeating: " ", count: max(1, 12 - name.count)))\(Terminal.printable(text))")
    }
    print("  state       \(Terminal.styled(colour.text, colour.style ?? .dim)) since \(view.since ?? "-")")
    line("reason", view.reason)
    line("status", view.status)
    line("run by", view.backend.rawValue)
    line("command", spec.unit ?? spec.command.joined(separator: " "))
    line("pid", view.pid.map { pid in "\(pid)\(view.uid.map { " as uid \($0)" } ?? "")" })
    line("processes", details.processes.map(String.init).joined(separator: " "))
    line("memory", view.memory.map { Format.bytes($0, of: spec.limits.memory) })
    line("cpu", view.cpuMicroseconds.map { Format.duration(milliseconds: Int64($0 / 1000)) })
    line("restarts", "\(view.restarts), policy \(spec.restart.condition.rawValue)")
    line("requires", spec.requires.joined(separator: " "))
    line("wants", spec.wants.joined(separator: " "))
    line("required by", details.dependents.joined(separator: " "))
    guard view.backend != .unit else { return line("log", "journalctl -u \(spec.unit ?? view.name)") }
    for entry in try client.call(SubsystemMethods.logs, .init(name: view.name, last: 5)) {
      print("  \(Terminal.styled(String(entry.time.prefix(19)), .dim)) \(Terminal.printable(entry.text))")
    }
  }
}
