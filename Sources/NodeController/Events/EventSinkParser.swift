// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import HealthChecks
import JSONRPC
import LinuxKernel

/// Reads `sinks.yaml`; docs/events.md describes the format.
enum EventSinkParser {
  private static let kinds = ["webhook", "otlp", "syslog", "journald"]

  /// None where there is no file.
  static func read(_ path: String) throws -> [EventSinkSpec] {
    try AdministratorFile.parse(path) { try parse($0, file: path) } ?? []
  }

  static func parse(_ text: String, file: String) throws(DescriptorProblem) -> [EventSinkSpec] {
    var sinks: [EventSinkSpec] = []
    for element in try DescriptorNode(file: file, text: text).elements() {
      let sink = try sink(element)
      if sinks.contains(where: { $0.name == sink.name }) {
        throw element.problem("has the name \(sink.name), which another sink has; give it a name")
      }
      sinks.append(sink)
    }
    return sinks
  }

  private static func sink(_ node: DescriptorNode) throws(DescriptorProblem) -> EventSinkSpec {
    let members = try node.members(kinds + ["name", "severity", "kinds"])
    let given = kinds.filter { members[$0] != nil }
    guard given.count == 1, let kind = given.first, let member = members[kind] else {
      throw node.problem("needs exactly one of \(kinds.joined(separator: ", "))")
    }
    var sink = EventSinkSpec(name: kind, target: try target(kind, member))
    if let member = members["name"] {
      sink.name = try member.text()
      guard ContainerSpec.problem(withName: sink.name) == nil else { throw member.problem("must be a name") }
    }
    if let member = members["severity"] { sink.severity = try member.choice(AgentEvent.Severity.self) }
    if let member = members["kinds"] {
      var kinds: [String] = []
      for element in try member.elements() { kinds.append(try element.text()) }
      sink.kinds = kinds
    }
    return sink
  }

  private static func target(
    _ kind: String, _ node: DescriptorNode
  ) throws(DescriptorProblem) -> EventSinkSpec.Target {
    switch kind {
    case "webhook": return .webhook(try HealthCheckParser.request(node))
    case "otlp": return .otlp(try HealthCheckParser.request(node))
    case "syslog":
      let address = try node.text()
      guard ListenAddress(address) != nil else {
        throw node.problem("must be udp://ADDRESS:PORT, tcp://ADDRESS:PORT or unix:///PATH")
      }
      return .syslog(address)
    default:
      guard try node.boolean() else { throw node.problem("must be true; leave the sink out instead") }
      return .journald
    }
  }
}
