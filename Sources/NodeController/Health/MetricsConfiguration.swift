// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Configuration
import LinuxKernel

/// `metrics.yaml`: where the metrics are served over HTTP besides the agent's own socket, and which cloud is asked about
/// the machine.
struct MetricsConfiguration: Sendable, Hashable {
  /// `tcp://ADDRESS:PORT`.
  var listen = ["tcp://127.0.0.1:9733"]
  var cloud: Cloud?

  struct Cloud: Sendable, Hashable {
    var provider: String
    /// Elsewhere than usual.
    var endpoint: String?
  }

  static let providers = ["auto", "ec2", "openstack", "gce", "azure"]

  /// The default where there is no such file.
  ///
  /// - Throws: `invalid params` with the line of what is wrong.
  static func read(_ path: String) throws -> MetricsConfiguration {
    try AdministratorFile.parse(path) { try parse($0, file: path) } ?? MetricsConfiguration()
  }

  static func parse(_ text: String, file: String) throws(DescriptorProblem) -> MetricsConfiguration {
    var configuration = MetricsConfiguration()
    let members = try DescriptorNode(file: file, text: text).members(["listen", "cloud"])
    if let member = members["cloud"] { configuration.cloud = try cloud(member) }
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

  private static func cloud(_ node: DescriptorNode) throws(DescriptorProblem) -> Cloud {
    let members = node.isScalar ? ["provider": node] : try node.members(["provider", "endpoint"])
    guard let provider = members["provider"] else { throw node.problem("needs provider") }
    var cloud = Cloud(provider: try provider.text())
    guard providers.contains(cloud.provider) else {
      throw provider.problem("must be one of \(providers.joined(separator: ", "))")
    }
    if let member = members["endpoint"] {
      let endpoint = try member.text()
      guard endpoint.hasPrefix("http://"), !endpoint.hasSuffix("/"),
        endpoint.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
      else { throw member.problem("must be of the form http://ADDRESS:PORT") }
      cloud.endpoint = endpoint
    }
    return cloud
  }
}
