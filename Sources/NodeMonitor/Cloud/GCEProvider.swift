// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Google Compute Engine's metadata server (its documentation, "About VM metadata").
struct GCEProvider: CloudProvider {
  static let name = "gce"
  private let service: MetadataService

  init(_ service: MetadataService) { self.service = service }

  private func instance() async throws -> JSONValue {
    let headers = ["Metadata-Flavor": "Google"]
    guard let answer = try await service.ask("/computeMetadata/v1/instance/?recursive=true", headers: headers),
      // By this it tells itself from whatever else answers there.
      answer.fields.contains(where: { $0.name == "metadata-flavor" && $0.value == "Google" }),
      let value = try? JSONCoding.decode(JSONValue.self, from: answer.body)
    else { throw MetadataService.Failure(description: "\(service.endpoint) is not Google's metadata server") }
    return value
  }

  func facts() async throws -> CloudFacts {
    let instance = try await instance()
    let zone = instance.lastPart("zone")
    return CloudFacts(
      // A number that is too long for some readers of JSON.
      instanceID: instance["id"].map { $0.stringValue ?? $0.integerValue.map { "\($0)" } ?? "" } ?? "",
      instanceType: instance.lastPart("machineType"),
      region: zone.split(separator: "-").dropLast().joined(separator: "-"), zone: zone,
      image: instance.lastPart("image"))
  }

  func notice() async throws -> String? {
    let instance = try await instance()
    if instance.text("preempted") == "TRUE" { return "preempted" }
    let event = instance.text("maintenanceEvent")
    return event.isEmpty || event == "NONE" ? nil : event
  }
}
