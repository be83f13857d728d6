// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Foundation
import JSONRPC

/// Which agent to talk to.
struct InstanceOptions: ParsableArguments {
  @Option(name: .long, help: ArgumentHelp("The instance's root directory.", valueName: "dir"))
  var root: String?

  /// `--root`, else `NODEAGENT_ROOT`, else the installed agent.
  var instance: Instance {
    get throws {
      let text = root ?? ProcessInfo.processInfo.environment["NODEAGENT_ROOT"] ?? "/"
      guard !text.isEmpty else { throw ValidationError("the instance's root is empty") }
      let path = text.hasPrefix("/") ? text : FileManager.default.currentDirectoryPath + "/" + text
      guard !path.split(separator: "/").contains("..") else {
        throw ValidationError("the instance's root must not contain ..")
      }
      return Instance(root: path)
    }
  }

  func containers() throws -> RPCClient { try RPCClient(path: try instance.containerSocket) }
  func metrics() throws -> RPCClient { try RPCClient(path: try instance.metricsSocket) }
  func certificates() throws -> RPCClient { try RPCClient(path: try instance.certificateSocket) }
  func node() throws -> RPCClient { try RPCClient(path: try instance.nodeSocket) }
}

/// `--json`.
struct JSONOption: ParsableArguments {
  @Flag(name: .long, help: "Print JSON for programs.") var json = false

  func print(_ value: some Encodable) throws { Swift.print(try JSONCoding.encodePretty(value)) }
}
