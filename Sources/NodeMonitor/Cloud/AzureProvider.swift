// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Azure's instance metadata and scheduled events (their documentation, versions 2021-02-01 and 2020-07-01).
struct AzureProvider: CloudProvider {
  static let name = "azure"
  private let service: MetadataService
  private static let headers = ["Metadata": "true"]

  init(_ service: MetadataService) { self.service = service }

  func facts() async throws -> CloudFacts {
    guard
      let compute = try await service.json("/metadata/instance?api-version=2021-02-01", headers: Self.headers)?[
        "compute"]
    else { throw MetadataService.Failure(description: "\(service.endpoint) has no instance metadata") }
    let image = compute["storageProfile"]?["imageReference"]
    return CloudFacts(
      instanceID: compute.text("vmId"), instanceType: compute.text("vmSize"), region: compute.text("location"),
      zone: compute.text("zone"),
      image: ["publisher", "offer", "sku", "version"].compactMap { image?.text($0) }.filter { !$0.isEmpty }
        .joined(separator: ":"))
  }

  func notice() async throws -> String? {
    let document = try await service.json("/metadata/scheduledevents?api-version=2020-07-01", headers: Self.headers)
    guard let event = document?["Events"]?.arrayValue?.first else { return nil }
    let time = event.text("NotBefore")
    return "\(event.text("EventType"))\(time.isEmpty ? "" : " not before \(time)")"
  }
}
