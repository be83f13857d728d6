// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Configuration
import ContainerController
import JSONRPC

struct Create: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Make a container without starting it.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var output: JSONOption
  @OptionGroup var container: SpecOptions

  func run() throws {
    try reporting {
      let view = try options.containers().call(ContainerMethods.create, try container.spec)
      if output.json { try output.print(view) } else { print(view.name) }
    }
  }
}

/// Names for verbs that work on several containers: each is tried, and a failure is told at the end.
struct Names: ParsableArguments {
  @Argument(help: "Containers.") var names: [String]

  func each(_ body: (String) throws -> Void) throws {
    var first: (any Error)?
    for name in names {
      do {
        try body(name)
        print(name)
      } catch {
        if let first { Terminal.complain("\(first)") }
        first = error
      }
    }
    if let first { throw first }
  }
}

struct Start: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Start containers.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var names: Names

  func run() throws {
    try reporting {
      let client = try options.containers()
      try names.each { _ = try client.call(ContainerMethods.start, .init(name: $0)) }
    }
  }
}

struct TimeoutOption: ParsableArguments {
  @Option(
    name: [.customShort("t"), .long],
    help: ArgumentHelp("Time between the stop signal and the end by force, such as 5s.", valueName: "duration"))
  var timeout: String?

  var milliseconds: Int64? {
    get throws {
      guard let timeout else { return nil }
      guard let value = Quantity.milliseconds(timeout) ?? Int64(timeout).map({ $0 * 1000 }) else {
        throw ValidationError("--timeout is a duration such as 5s or 500ms")
      }
      return value
    }
  }
}

struct Stop: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Stop containers: by signal, and after a while by force.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var patience: TimeoutOption
  @OptionGroup var names: Names

  func run() throws {
    try reporting {
      let client = try options.containers()
      let timeout = try patience.milliseconds
      try names.each { _ = try client.call(ContainerMethods.stop, .init(name: $0, timeout: timeout)) }
    }
  }
}

struct Restart: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Stop containers that run, and start them.")
  @OptionGroup var options: InstanceOptions
  @OptionGroup var patience: TimeoutOption
  @OptionGroup var names: Names

  func run() throws {
    try reporting {
      let client = try options.containers()
      let timeout = try patience.milliseconds
      try names.each { _ = try client.call(ContainerMethods.restart, .init(name: $0, timeout: timeout)) }
    }
  }
}

struct Kill: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Send a signal to containers; KILL ends them at once.")
  @OptionGroup var options: InstanceOptions
  @Option(name: .shortAndLong, help: "Name or number.") var signal = "KILL"
  @OptionGroup var names: Names

  func run() throws {
    try reporting {
      let client = try options.containers()
      try names.each { _ = try client.call(ContainerMethods.kill, .init(name: $0, signal: signal)) }
    }
  }
}

struct Remove: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rm", abstract: "Remove containers with their files and logs.")
  @OptionGroup var options: InstanceOptions
  @Flag(name: .shortAndLong, help: "Stop those that run first.") var force = false
  @OptionGroup var names: Names

  func run() throws {
    try reporting {
      let client = try options.containers()
      try names.each { _ = try client.call(ContainerMethods.remove, .init(name: $0, force: force)) }
    }
  }
}

struct Wait: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Wait until a container has ended, and end with its code.")
  @OptionGroup var options: InstanceOptions
  @Argument(help: "The container.") var name: String

  func run() throws {
    try reporting {
      let view = try options.containers().call(ContainerMethods.wait, .init(name: name))
      throw ExitCode(view.shellCode)
    }
  }
}
