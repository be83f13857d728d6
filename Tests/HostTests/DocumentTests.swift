// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import JSONRPC
import LinuxKernel
import Testing

@Suite struct DocumentTests {
  @Test(arguments: ["container", "node", "metrics", "cert"]) func `the documents in docs are those of the code`(
    name: String
  )
    throws
  {
    // Elsewhere than beside the sources on a machine to which only the tests were carried.
    let folder =
      ProcessInfo.processInfo.environment["NODEAGENT_TEST_DOCS"]
      ?? URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/api").path
    let documents = [APIDocument.containers, .node, .metrics, .certificates]
    let document = try #require(documents.first { $0.socket == "\(name).sock" })
    let json = try FileSystem.readText("\(folder)/\(name).openrpc.json", limit: 16 << 20)
    #expect(json == (try JSONCoding.encodePretty(document.openRPC)) + "\n", "run make docs")
    #expect(try FileSystem.readText("\(folder)/\(name).md") == document.markdown, "run make docs")
  }

  @Test(.enabled(if: Host.canRunAgents, "\(Host.reason)"))
  func `what the sockets tell of themselves is what is documented`() throws {
    let agent = try TestAgent()
    #expect(try agent.containers().call(RPCRouter.discover) == APIDocument.containers.openRPC)
    #expect(try agent.node().call(RPCRouter.discover) == APIDocument.node.openRPC)
    #expect(try agent.certificates().call(RPCRouter.discover) == APIDocument.certificates.openRPC)
    try agent.eventually("the monitor serves") { FileSystem.exists(agent.instance.metricsSocket) }
    #expect(try agent.metrics().call(RPCRouter.discover) == APIDocument.metrics.openRPC)
  }
}
