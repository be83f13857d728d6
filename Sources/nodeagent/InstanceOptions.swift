// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Foundation
import JSONRPC
import LinuxKernel
import RemoteAccess
import Synchronization

/// Which agent to talk to.
struct InstanceOptions: ParsableArguments {
  @Option(name: .long, help: ArgumentHelp("The instance's root directory.", valueName: "dir"))
  var root: String?
  @Option(name: .long, help: ArgumentHelp("Another node to talk to, by mutual TLS.", valueName: "host[:port]"))
  var node: String?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Who to be there: a file with key, certificate, intermediate and root (PEM); else this node's own identity, which is root's.",
      valueName: "path"))
  var credentials: String?

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

  func containers() throws -> RPCClient { try remote(.container) ?? RPCClient(path: try instance.containerSocket) }
  func metrics() throws -> RPCClient {
    // This node's figures would be taken for the other's.
    guard otherNode == nil else {
      throw ValidationError("the metrics of another node are not served by its gateway; ask it over HTTP, or by ssh")
    }
    return try RPCClient(path: try instance.metricsSocket)
  }
  func certificates() throws -> RPCClient {
    try remote(.cert) ?? RPCClient(path: try instance.certificateSocket, seconds: 30)
  }
  func controller() throws -> RPCClient { try remote(.node) ?? RPCClient(path: try instance.nodeSocket) }

  /// For what is done on this machine only.
  func local(_ verb: String) throws -> Instance {
    if let name = otherNode {
      throw ValidationError("nodeagent \(verb) works on this machine, and \(name) is another (--node, NODEAGENT_NODE)")
    }
    return try instance
  }

  private var otherNode: String? {
    let name = node ?? ProcessInfo.processInfo.environment["NODEAGENT_NODE"] ?? ""
    return name.isEmpty ? nil : name
  }

  /// `nil` where this node is meant.
  private func remote(_ target: RemoteTarget) throws -> RPCClient? {
    guard let node = otherNode else { return nil }
    let file = credentials ?? ProcessInfo.processInfo.environment["NODEAGENT_CREDENTIALS"]
    let identity =
      try file.map(TLSIdentity.file) ?? TLSIdentity.managed(try instance, subsystem: "node-controller")
    let result = Mutex<SharedDescriptor?>(nil)
    try runBlocking {
      let socket = try await RemoteConnection.open(node, target, as: identity)
      result.withLock { $0 = socket }
    }
    return result.withLock { $0 }.map { RPCClient(connected: $0) }
  }
}

/// `--json`.
struct JSONOption: ParsableArguments {
  @Flag(name: .long, help: "Print JSON for programs.") var json = false

  func print(_ value: some Encodable) throws { Swift.print(try JSONCoding.encodePretty(value)) }
}
