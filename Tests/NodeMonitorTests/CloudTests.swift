// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Logging
import NIOPosix
import Probing
import Synchronization
import TestServers
import Testing

@testable import NodeMonitor

/// Each provider against a local server that follows the cloud's published interface.
@Suite struct CloudTests {
  private static func answer(_ status: String, _ body: String, _ fields: String = "") -> [UInt8] {
    Array("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(fields)Connection: close\r\n\r\n\(body)".utf8)
  }

  private static let none = answer("404 Not Found", "")

  private static func service(_ server: RawServer) -> MetadataService {
    MetadataService(
      endpoint: "http://127.0.0.1:\(server.port)",
      requester: HTTPRequester(group: MultiThreadedEventLoopGroup.singleton))
  }

  /// Whether a request begins so and has a header field.
  private static func asks(_ request: String, _ line: String, _ field: String = "") -> Bool {
    request.hasPrefix(line + " ") && (field.isEmpty || request.lowercased().contains("\r\n\(field.lowercased())\r\n"))
  }

  @Test func `EC2 is asked with a token, and refused without`() async throws {
    let isSpot = Mutex(false)
    let server = try RawServer { request in
      if Self.asks(request, "PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60") {
        return Self.answer("200 OK", "AQAEtoken==")
      }
      guard request.contains("X-aws-ec2-metadata-token: AQAEtoken==") else {
        return Self.answer("401 Unauthorized", "")
      }
      if Self.asks(request, "GET /latest/dynamic/instance-identity/document") {
        return Self.answer(
          "200 OK",
          """
          {"accountId":"123456789012","architecture":"x86_64","availabilityZone":"eu-west-1b","imageId":"ami-5fb8c835",
           "instanceId":"i-1234567890abcdef0","instanceType":"t3.micro","privateIp":"10.158.112.84","region":"eu-west-1",
           "version":"2017-09-30","marketplaceProductCodes":null}
          """)
      }
      if Self.asks(request, "GET /latest/meta-data/spot/instance-action"), isSpot.withLock({ $0 }) {
        return Self.answer("200 OK", #"{"action": "terminate", "time": "2026-05-01T09:30:00Z"}"#)
      }
      return Self.none
    }
    let provider = EC2Provider(Self.service(server))
    #expect(
      try await provider.facts()
        == CloudFacts(
          instanceID: "i-1234567890abcdef0", instanceType: "t3.micro", region: "eu-west-1", zone: "eu-west-1b",
          image: "ami-5fb8c835"))
    #expect(try await provider.notice() == nil)
    isSpot.withLock { $0 = true }
    #expect(try await provider.notice() == "terminate at 2026-05-01T09:30:00Z")
  }

  @Test func `EC2's planned maintenance is a notice`() async throws {
    let server = try RawServer { request in
      if Self.asks(request, "PUT /latest/api/token") { return Self.answer("200 OK", "t") }
      guard Self.asks(request, "GET /latest/meta-data/events/maintenance/scheduled") else { return Self.none }
      return Self.answer(
        "200 OK",
        #"[{"NotBefore":"21 Jan 2026 09:00:43 GMT","Code":"system-reboot","Description":"x","EventId":"e","State":"active"}]"#
      )
    }
    #expect(
      try await EC2Provider(Self.service(server)).notice() == "system-reboot not before 21 Jan 2026 09:00:43 GMT")
  }

  @Test func `OpenStack tells uuid, zone and flavour`() async throws {
    let server = try RawServer { request in
      if Self.asks(request, "GET /openstack/latest/meta_data.json") {
        return Self.answer(
          "200 OK",
          #"{"uuid": "d8e02d56-2648-49a3-bf97-6be8f1204f38", "availability_zone": "nova", "hostname": "test.novalocal", "launch_index": 0, "name": "test"}"#
        )
      }
      return Self.asks(request, "GET /latest/meta-data/instance-type") ? Self.answer("200 OK", "m1.small") : Self.none
    }
    #expect(
      try await OpenStackProvider(Self.service(server)).facts()
        == CloudFacts(instanceID: "d8e02d56-2648-49a3-bf97-6be8f1204f38", instanceType: "m1.small", zone: "nova"))
  }

  @Test func `Google is known by its header, and its paths are cut`() async throws {
    let isGoogle = Mutex(true)
    let event = Mutex("NONE")
    let server = try RawServer { request in
      guard Self.asks(request, "GET /computeMetadata/v1/instance/?recursive=true", "Metadata-Flavor: Google") else {
        return Self.answer("403 Forbidden", "")
      }
      let text = event.withLock { $0 }
      return Self.answer(
        "200 OK",
        """
        {"id": 4520031799277581759, "machineType": "projects/1/machineTypes/e2-medium", "zone": "projects/1/zones/europe-west1-b",
         "image": "projects/debian-cloud/global/images/debian-12-bookworm-v20260101", "maintenanceEvent": "\(text)",
         "preempted": "FALSE"}
        """, isGoogle.withLock { $0 } ? "Metadata-Flavor: Google\r\n" : "")
    }
    let provider = GCEProvider(Self.service(server))
    #expect(
      try await provider.facts()
        == CloudFacts(
          instanceID: "4520031799277581759", instanceType: "e2-medium", region: "europe-west1", zone: "europe-west1-b",
          image: "debian-12-bookworm-v20260101"))
    #expect(try await provider.notice() == nil)
    event.withLock { $0 = "TERMINATE_ON_HOST_MAINTENANCE" }
    #expect(try await provider.notice() == "TERMINATE_ON_HOST_MAINTENANCE")
    isGoogle.withLock { $0 = false }
    await #expect(throws: MetadataService.Failure.self) { try await provider.facts() }
  }

  @Test func `Azure tells its compute part and its scheduled events`() async throws {
    let server = try RawServer { request in
      guard request.contains("Metadata: true") else { return Self.answer("400 Bad Request", "") }
      if Self.asks(request, "GET /metadata/instance?api-version=2021-02-01") {
        return Self.answer(
          "200 OK",
          """
          {"compute": {"location": "westeurope", "name": "n", "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
           "vmSize": "Standard_A3", "zone": "2", "storageProfile": {"imageReference": {"publisher": "debian",
           "offer": "debian-12", "sku": "12", "version": "latest"}}}, "network": {}}
          """)
      }
      return Self.asks(request, "GET /metadata/scheduledevents?api-version=2020-07-01")
        ? Self.answer(
          "200 OK",
          #"{"DocumentIncarnation": 1, "Events": [{"EventId": "f", "EventType": "Preempt", "NotBefore": "Mon, 19 Sep 2026 18:29:47 GMT"}]}"#
        )
        : Self.none
    }
    let provider = AzureProvider(Self.service(server))
    #expect(
      try await provider.facts()
        == CloudFacts(
          instanceID: "02aab8a4-74ef-476e-8182-f6d2ba4166a6", instanceType: "Standard_A3", region: "westeurope",
          zone: "2",
          image: "debian:debian-12:12:latest"))
    #expect(try await provider.notice() == "Preempt not before Mon, 19 Sep 2026 18:29:47 GMT")
  }

  @Test(arguments: [
    "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html", "",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "garbage",
  ])
  func `whatever answers there, a provider says what is wrong or knows nothing`(text: String) async throws {
    let server = try RawServer { _ in Array(text.utf8) }
    for provider in CloudProviders.all {
      let watcher = CloudWatcher(provider.init(Self.service(server)), logger: Logger(label: "test"))
      await watcher.step()
      let state = await watcher.state
      #expect(state.failure != nil || state.facts?.instanceID == "", "\(state)")
    }
  }

  @Test(
    arguments: [
      ("Amazon EC2", "t3.micro", "ec2"), ("OpenStack Foundation", "OpenStack Nova", "openstack"),
      ("Red Hat", "OpenStack Compute", "openstack"), ("Google", "Google Compute Engine", "gce"),
      ("Microsoft Corporation", "Virtual Machine", "azure"), ("QEMU", "Standard PC", nil), ("", "", nil),
    ] as [(String, String, String?)])
  func `the firmware hints at the cloud`(vendor: String, product: String, name: String?) {
    #expect(CloudProviders.guess(vendor: vendor, product: product)?.name == name)
  }
}
