// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import JSONRPC
import LinuxKernel

/// `nodeagent api`: writes the documents of `docs/api`.
struct API: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "api", abstract: "Write the documents of the API.", shouldDisplay: false)
  @Option(help: "Where to.") var directory: String

  func run() throws {
    try reporting {
      try FileSystem.makeDirectories(directory, mode: 0o755)
      for document in [APIDocument.containers, .node, .metrics, .certificates] {
        let name = document.socket.split(separator: ".")[0]
        let json = try JSONCoding.encodePretty(document.openRPC) + "\n"
        try FileSystem.replace("\(directory)/\(name).openrpc.json", with: Array(json.utf8), mode: 0o644)
        try FileSystem.replace("\(directory)/\(name).md", with: Array(document.markdown.utf8), mode: 0o644)
      }
    }
  }
}
