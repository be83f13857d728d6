// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Amazon EC2 by IMDSv2: each question goes with a token that was asked for before (instance metadata user guide).
struct EC2Provider: CloudProvider {
  static let name = "ec2"
  private let service: MetadataService

  init(_ service: MetadataService) { self.service = service }

  private func headers() async throws -> [String: String] {
    let answer = try await service.ask(
      "/latest/api/token", method: "PUT", headers: ["X-aws-ec2-metadata-token-ttl-seconds": "60"])
    let token = String(decoding: answer?.body ?? [], as: UTF8.self)
    guard !token.isEmpty, token.utf8.count < 1000, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw MetadataService.Failure(description: "\(service.endpoint) gives no token (IMDSv2)")
    }
    return ["X-aws-ec2-metadata-token": token]
  }

  func facts() async throws -> CloudFacts {
    let document = try await service.json("/latest/dynamic/instance-identity/document", headers: headers())
    guard let document else {
      throw MetadataService.Failure(description: "\(service.endpoint) has no identity document")
    }
    return CloudFacts(
      instanceID: document.text("instanceId"), instanceType: document.text("instanceType"),
      region: document.text("region"), zone: document.text("availabilityZone"), image: document.text("imageId"))
  }

  func notice() async throws -> String? {
    let headers = try await headers()
    // Two minutes before a spot instance is taken away.
    if let action = try await service.json("/latest/meta-data/spot/instance-action", headers: headers) {
      return "\(action.text("action")) at \(action.text("time"))"
    }
    let events = try await service.json("/latest/meta-data/events/maintenance/scheduled", headers: headers)
    let active = events?.arrayValue?.first { $0.text("State") == "active" }
    return active.map { "\($0.text("Code")) not before \($0.text("NotBefore"))" }
  }
}
