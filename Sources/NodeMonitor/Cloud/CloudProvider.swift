// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import Probing

/// Asks a cloud's metadata service about this machine.
protocol CloudProvider: Sendable {
  /// What it is called in configuration and metrics.
  static var name: String { get }
  /// - Parameter service: where it answers.
  init(_ service: MetadataService)
  func facts() async throws -> CloudFacts
  /// Words for what the cloud is about to do to the machine, such as ending it; `nil` when it is about to do nothing.
  func notice() async throws -> String?
}

/// All that there are.
enum CloudProviders {
  static let all: [any CloudProvider.Type] = [
    EC2Provider.self, OpenStackProvider.self, GCEProvider.self, AzureProvider.self,
  ]

  /// The one that the firmware's words for the machine's maker stand for.
  static func guess(vendor: String, product: String) -> (any CloudProvider.Type)? {
    if vendor.hasPrefix("Amazon EC2") { return EC2Provider.self }
    if vendor.hasPrefix("OpenStack") || product.hasPrefix("OpenStack") { return OpenStackProvider.self }
    if vendor == "Google" { return GCEProvider.self }
    // Hyper-V at home says the same, and has no metadata; asking it does no harm.
    return vendor == "Microsoft Corporation" && product == "Virtual Machine" ? AzureProvider.self : nil
  }
}
