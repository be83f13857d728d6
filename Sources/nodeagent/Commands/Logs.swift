// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Foundation
import JSONRPC
import LinuxKernel

/// Which part of a log to show, and how.
struct LogOptions: ParsableArguments {
  @OptionGroup var output: JSONOption
  @Flag(name: .shortAndLong, help: "Go on as the log grows, until its source has ended.") var follow = false
  @Option(
    name: [.customShort("n"), .customLong("lines")], help: ArgumentHelp("Only the last lines.", valueName: "count"))
  var last: Int?
  @Option(help: ArgumentHelp("Only from this time on.", valueName: "time")) var since: String?
  @Option(help: ArgumentHelp("Only up to this time.", valueName: "time")) var until: String?
  @Option(help: "Only stdout, stderr or harness.") var stream: String?
  @Option(help: ArgumentHelp("Only lines that contain this text.", valueName: "text")) var grep: String?
  @Flag(name: .shortAndLong, help: "Show the time of each line.") var timestamps = false
  @Argument(help: "The container or sub-system.") var name: String

  func validate() throws { if let last, last < 0 { throw ValidationError("-n takes a number from 0 on") } }

  func print(from client: RPCClient) throws {
    let query = LogQuery(
      name: name, last: last, since: since, until: until, stream: stream, grep: grep, follow: follow)
    do {
      try LogPrinter(timestamps: timestamps, json: output.json).follow(query, client)
    } catch let error as RPCError {
      guard let unit = error.data?["unit"]?.stringValue else { throw error }
      try showJournal(of: unit)
    }
  }
}

extension LogOptions {
  /// Becomes journalctl(1), which has a unit's log.
  private func showJournal(of unit: String) throws {
    var words = ["journalctl", "--unit=\(unit)", "--output=\(output.json ? "json" : timestamps ? "short-iso" : "cat")"]
    if follow { words.append("--follow") } else { words.append("--no-pager") }
    if let last { words.append("--lines=\(last)") } else if follow { words.append("--no-tail") }
    if let grep { words.append("--grep=\(grep)") }
    for (name, text) in [("since", since), ("until", until)] {
      guard let text else { continue }
      guard let time = Timestamp.parse(text, now: Clock.wallMicroseconds()) else {
        throw RPCError(.invalidParams, "--\(name) takes an RFC 3339 time, or a duration before now such as 10m")
      }
      words.append("--\(name)=@\(time / 1_000_000)")
    }
    var arguments = words.map { strdup($0) } + [nil]
    execvp("journalctl", &arguments)
    throw RPCError(.unavailable, "journalctl cannot be run: \(String(cString: strerror(errno)))")
  }
}

struct Logs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the log of a container or, where none has the name, of a sub-system.",
    discussion:
      "What was written to stderr goes to stderr. Times are RFC 3339, or a duration before now such as 10m.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var show: LogOptions

  func run() throws {
    try reporting {
      do {
        try show.print(from: try options.containers())
      } catch let error as RPCError where error.code == .notFound || error.code == .unavailable {
        do {
          try show.print(from: try options.controller())
        } catch let second as RPCError where second.code == .notFound {
          throw error
        }
      }
    }
  }
}

/// Prints log events as they arrive.
struct LogPrinter {
  var timestamps: Bool
  var json: Bool

  func follow(_ query: LogQuery, _ client: RPCClient) throws {
    _ = try client.subscribe(LogMethods.topic, query)
    while let delivery = try client.next(LogEntry.self) {
      switch delivery {
      case .event(let entry): try show(entry)
      case .dropped(let count): Terminal.complain("\(count) lines were left out: this reader was too slow")
      case .end(let error):
        if let error { throw error }
        return
      }
    }
    throw RPCError(.unavailable, "the agent closed the connection; what it logs goes on")
  }

  private func show(_ entry: LogEntry) throws {
    if json { return Terminal.write(String(decoding: try JSONCoding.encode(entry), as: UTF8.self) + "\n", to: 1) }
    // A terminal is protected from what a container writes; a file gets the bytes as they are.
    let error = entry.stream == "stderr"
    let text = isatty(error ? 2 : 1) == 1 ? Terminal.printable(entry.text) : entry.text
    let mark = entry.stream == "harness" ? "[harness] " : ""
    let line =
      (timestamps ? "\(Terminal.styled(entry.time, .dim)) " : "") + mark + text + (entry.partial == true ? "" : "\n")
    Terminal.write(line, to: error ? 2 : 1)
  }
}
