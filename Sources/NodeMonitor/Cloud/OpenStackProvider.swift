// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// OpenStack Nova's metadata (its user documentation, "Metadata service").
struct OpenStackProvider: CloudProvider {
  static let name = "openstack"
  private let service: MetadataService

  init(_ service: MetadataService) { self.service = service }

  func facts() async throws -> CloudFacts {
    guard let document = try await service.json("/openstack/latest/meta_data.json") else {
      throw MetadataService.Failure(description: "\(service.endpoint) has no meta_data.json")
    }
    // Its own form does not tell the flavour; the one that follows EC2 does.
    let flavour = try await service.ask("/latest/meta-data/instance-type")?.body ?? []
    return CloudFacts(
      instanceID: document.text("uuid"), instanceType: String(decoding: flavour.prefix(200), as: UTF8.self),
      zone: document.text("availability_zone"))
  }

  /// It tells of nothing.
  func notice() async throws -> String? { nil }
}
