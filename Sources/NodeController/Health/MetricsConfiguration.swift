// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Configuration
import LinuxKernel

/// `metrics.yaml`: where the metrics are served over HTTP besides the agent's own socket.
struct MetricsConfiguration: Sendable, Hashable {
  /// `tcp://ADDRESS:PORT`.
  var listen = ["tcp://127.0.0.1:9733"]

  /// The default where there is no such file.
  ///
  /// - Throws: ``DescriptorProblem`` with the line of what is wrong.
  static func read(_ path: String) throws -> MetricsConfiguration {
    guard let text = try AdministratorFile.read(path) else { return MetricsConfiguration() }
    return try parse(text, file: path)
  }

  static func parse(_ text: String, file: String) throws(DescriptorProblem) -> MetricsConfiguration {
    var configuration = MetricsConfiguration()
    let members = try DescriptorNode(file: file, text: text).members(["listen"])
    guard let listen = members["listen"] else { return configuration }
    configuration.listen = []
    for node in try listen.elements() {
      let address = try node.text()
      guard ListenAddress(address)?.kind == .tcp else {
        throw node.problem("\(address) is not of the form tcp://ADDRESS:PORT")
      }
      configuration.listen.append(address)
    }
    return configuration
  }
}
