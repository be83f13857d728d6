// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser

struct Sinks: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show where events are sent, and how that goes.",
    discussion: "They stand in sinks.yaml; nodeagent subsystem reload reads it. Exit code 5 when one of them fails.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var output: JSONOption

  func run() throws {
    try reporting {
      let sinks = try options.controller().call(EventSinkMethods.list)
      if output.json { try output.print(sinks) } else { Self.show(sinks) }
      if sinks.contains(where: { $0.state == "failing" }) { throw ExitCode(5) }
    }
  }

  private static func show(_ sinks: [EventSinkView]) {
    var table = Table("SINK", "KIND", "ADDRESS", "STATE", "SINCE", "WAITING", "DELIVERED", "LOST", "")
    for sink in sinks {
      table.add(
        .init(sink.name), .init(sink.kind), .init(sink.address),
        .init(sink.state, sink.state == "failing" ? .red : .green),
        .init(sink.since.map { String($0.prefix(19)) + "Z" } ?? "-"), .init("\(sink.waiting)"),
        .init("\(sink.delivered)"), .init("\(sink.dropped)"), .init(sink.failure ?? ""))
    }
    table.print()
  }
}
