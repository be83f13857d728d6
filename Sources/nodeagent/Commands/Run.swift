// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Glibc
import JSONRPC

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a container from a bundle and start it.",
    discussion:
      "Prints the name once its workload runs. With --attach it stays, shows the log, and ends as the workload does.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var output: JSONOption
  @Flag(name: .shortAndLong, help: "Show its output and end with its code.") var attach = false
  @Flag(name: .customLong("rm"), help: "Remove it when it has ended; needs --attach.") var remove = false
  @OptionGroup var container: SpecOptions

  func validate() throws { if remove && !attach { throw ValidationError("--rm needs --attach") } }

  func run() throws {
    try reporting {
      let client = try options.containers()
      var spec = try container.spec
      // Who waits for its end does not want it started again, unless they say so.
      if attach, spec.restart == nil { spec.restart = RestartPolicy(.never) }
      let view = try client.call(ContainerMethods.run, spec)
      guard attach else {
        if output.json { try output.print(view) } else { print(view.name) }
        return
      }
      try LogPrinter(timestamps: false, json: false).follow(
        LogQuery(name: view.name, follow: true), try options.containers())
      let end = try client.call(ContainerMethods.wait, .init(name: view.name))
      if remove { _ = try client.call(ContainerMethods.remove, .init(name: view.name, force: true)) }
      if let reason = end.reason, end.exitCode == nil || end.outOfMemory {
        Terminal.complain("\(view.name): \(reason)")
      }
      throw ExitCode(end.shellCode)
    }
  }
}

extension ContainerView {
  /// How it ended, as a shell would say it.
  var shellCode: Int32 { exitSignal.map { 128 + $0 } ?? exitCode ?? 125 }
}
