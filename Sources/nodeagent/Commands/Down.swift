// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC
import LinuxKernel

struct Down: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Stop the containers and the agent.")
  @OptionGroup var options: InstanceOptions
  @Flag(help: "Leave containers running; the next start of the agent takes them up.") var keepContainers = false

  func run() throws {
    try reporting {
      let instance = try options.local("down")
      let client = try options.controller()
      let pid = try client.call(NodeMethods.info).pid
      let process = try Pidfd(opening: pid)
      _ = try client.call(NodeMethods.shutdown, .init(keepContainers: keepContainers))
      guard try process.waitForEnd(milliseconds: 120_000) else {
        throw RPCError(.deadlineExceeded, "the agent (pid \(pid)) has not ended within two minutes; its log says why")
      }
      // Or its sockets would start it again.
      if SystemdService.runs(instance) { try SystemdService.stop() }
      print("nodeagent is down\(keepContainers ? "; its containers go on" : "")")
    }
  }
}
