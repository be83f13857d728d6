// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC
import LinuxKernel

struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "Show the metrics of the node, its sub-systems and its containers.",
    discussion: """
      A name that ends with * stands for all that begin so. Prometheus scrapes http://127.0.0.1:9733/metrics; by hand: \
      curl --unix-socket /run/nodeagent/metrics-http.sock http://node/metrics
      """,
    subcommands: [List.self, History.self, Status.self], defaultSubcommand: List.self)

  /// Which series.
  struct Selection: ParsableArguments {
    @Option(help: ArgumentHelp("Only series with this label; can be repeated.", valueName: "name=value"))
    var label: [String] = []

    var labels: [String: String]? {
      get throws {
        guard !label.isEmpty else { return nil }
        var labels: [String: String] = [:]
        for text in label {
          let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
          guard parts.count == 2, !parts[0].isEmpty else {
            throw ValidationError("\(text) is not of the form name=value")
          }
          labels[String(parts[0])] = String(parts[1])
        }
        return labels
      }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "Show metrics as they are now.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @OptionGroup var selection: Selection
    @Flag(name: [.short, .long], help: "Show them again and again.") var follow = false
    @Option(help: ArgumentHelp("With --follow: how often.", valueName: "ms")) var interval: Int64 = 1000
    @Argument(help: "Names; all when none is given.") var names: [String] = []

    func run() throws {
      try reporting {
        let client = try options.metrics()
        let names = names.isEmpty ? nil : names
        guard follow else {
          let found = try client.call(MetricMethods.list, .init(names: names, labels: try selection.labels))
          if found.isEmpty { throw RPCError(.notFound, "there is no such metric now; nodeagent metrics shows all") }
          return output.json ? try output.print(found) : Self.show(found)
        }
        _ = try client.subscribe(
          MetricMethods.topic, .init(names: names, labels: try selection.labels, interval: interval))
        while let delivery = try client.next(MetricSample.self) {
          switch delivery {
          case .event(let sample):
            if output.json {
              Terminal.write(String(decoding: try JSONCoding.encode(sample), as: UTF8.self) + "\n", to: 1)
            } else {
              Terminal.write(Terminal.styled(sample.time, .dim) + "\n", to: 1)
              Self.show(sample.metrics)
            }
          case .dropped(let count): Terminal.complain("\(count) samples were left out: this reader was too slow")
          case .end(let error): if let error { throw error }
          }
        }
        throw RPCError(.unavailable, "the agent closed the connection")
      }
    }

    private static func show(_ metrics: [MetricView]) {
      var text = ""
      for metric in metrics {
        for series in metric.series {
          text +=
            "\(MetricsCommand.name(metric.name, series.labels)) \(series.value.map(MetricsCommand.number) ?? "NaN")\n"
        }
      }
      Terminal.write(text, to: 1)
    }
  }

  struct History: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what metrics were within the last hour, every 15 seconds.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption
    @OptionGroup var selection: Selection
    @Option(help: ArgumentHelp("Only the last so many seconds.", valueName: "seconds")) var since: Double?
    @Argument(help: "Names.") var names: [String]

    func run() throws {
      try reporting {
        let found = try options.metrics().call(
          MetricMethods.history, .init(names: names, labels: try selection.labels, since: since))
        if found.isEmpty { throw RPCError(.notFound, "there is no such metric now; nodeagent metrics shows all") }
        if output.json { return try output.print(found) }
        for series in found {
          print(Terminal.styled(MetricsCommand.name(series.name, series.labels), .bold))
          for (time, value) in zip(series.times, series.values) {
            print("  \(Timestamp.text(microseconds: Int64(time * 1e6)))  \(MetricsCommand.number(value))")
          }
        }
      }
    }
  }

  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show how the collection goes: what finds nothing, and why; where it is served.")
    @OptionGroup var options: InstanceOptions
    @OptionGroup var output: JSONOption

    func run() throws {
      try reporting {
        let status = try options.metrics().call(MetricMethods.status)
        if output.json { return try output.print(status) }
        print("series       \(status.series)\(status.dropped > 0 ? ", \(status.dropped) values left out" : "")")
        print(
          "history      \(Format.duration(milliseconds: Int64(status.historySeconds * 1000))), \(Format.bytes(UInt64(status.historyBytes)))"
        )
        for address in status.listening { print("served at    \(address)") }
        for (name, why) in status.failures.sorted(by: { $0.key < $1.key }) {
          print("nothing of   \(name): \(Terminal.printable(why))")
        }
      }
    }
  }

  // MARK: - Text

  /// `name{label="value"}`, with what a terminal could take for a command made visible.
  static func name(_ name: String, _ labels: [String: String]) -> String {
    guard !labels.isEmpty else { return name }
    let text = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Terminal.printable($0.value))\"" }
    return "\(name){\(text.joined(separator: ","))}"
  }

  static func number(_ value: Double) -> String {
    Int64(exactly: value).map { String($0) } ?? String(value)
  }
}
