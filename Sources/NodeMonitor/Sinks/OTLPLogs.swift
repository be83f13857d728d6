// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC

/// Events as OpenTelemetry's log records, in the JSON form of OTLP/HTTP (opentelemetry.proto.logs.v1; 64-bit integers are
/// strings there).
struct OTLPLogs: Codable, Sendable {
  struct Value: Codable, Sendable { var stringValue: String }
  struct Attribute: Codable, Sendable {
    var key: String
    var value: Value
    init(_ key: String, _ value: String) {
      self.key = key
      self.value = Value(stringValue: value)
    }
  }
  struct Record: Codable, Sendable {
    var timeUnixNano: String
    var severityNumber: Int
    var severityText: String
    var body: Value
    var attributes: [Attribute]
  }
  struct Scope: Codable, Sendable {
    var name: String
    var version: String
  }
  struct ScopeLogs: Codable, Sendable {
    var scope: Scope
    var logRecords: [Record]
  }
  struct Resource: Codable, Sendable { var attributes: [Attribute] }
  struct ResourceLogs: Codable, Sendable {
    var resource: Resource
    var scopeLogs: [ScopeLogs]
  }

  var resourceLogs: [ResourceLogs]

  init(_ events: [AgentEvent], node: String) {
    let resource = Resource(attributes: [
      Attribute("service.name", "nodeagent"), Attribute("service.version", AgentVersion.current),
      Attribute("host.name", node),
    ])
    let scope = Scope(name: "nodeagent.events", version: AgentVersion.current)
    resourceLogs = [
      ResourceLogs(resource: resource, scopeLogs: [ScopeLogs(scope: scope, logRecords: events.map(Self.record))])
    ]
  }

  private static func record(_ event: AgentEvent) -> Record {
    // severityNumber of the logs data model: INFO is 9, WARN 13, ERROR 17.
    let (number, text) =
      switch event.severity {
      case .info: (9, "INFO")
      case .warning: (13, "WARN")
      case .error: (17, "ERROR")
      }
    var attributes = [
      Attribute("event.name", event.event), Attribute("nodeagent.kind", event.kind),
      Attribute("nodeagent.name", event.name), Attribute("nodeagent.source", event.source),
      Attribute("nodeagent.sequence", "\(event.sequence)"),
    ]
    if let correlation = event.correlation { attributes.append(Attribute("nodeagent.correlation", correlation)) }
    for (key, value) in (event.data ?? [:]).sorted(by: { $0.key < $1.key }) {
      attributes.append(Attribute("nodeagent.data.\(key)", value))
    }
    let microseconds = Timestamp.parse(event.time, now: 0) ?? 0
    return Record(
      timeUnixNano: "\(microseconds)000", severityNumber: number, severityText: text,
      body: Value(stringValue: event.message), attributes: attributes)
  }

  static func encode(_ events: [AgentEvent], node: String) throws -> [UInt8] {
    try JSONCoding.encode(OTLPLogs(events, node: node))
  }
}
