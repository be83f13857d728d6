// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import Testing

@testable import NodeMonitor

@Suite struct SinkFormatTests {
  private static func event(
    _ name: String = "web", cause: String? = "it exited with code 1", severity: AgentEvent.Severity = .error
  ) -> AgentEvent {
    AgentEvent(
      sequence: 7, time: "2026-05-01T09:30:00.123456Z", kind: "subsystem", name: name, event: "failed",
      severity: severity, source: "node-controller", cause: cause, correlation: "c-1", data: ["check": "a\"]b\\"])
  }

  @Test func `a syslog message is one of RFC 5424`() {
    #expect(
      SyslogMessage.text(Self.event(), node: "host.example", process: 42)
        == "<27>1 2026-05-01T09:30:00.123456Z host.example nodeagent 42 subsystem [nodeagent@32473 kind=\"subsystem\" name=\"web\" event=\"failed\" sequence=\"7\" correlation=\"c-1\" check=\"a\\\"\\]b\\\\\"] \u{feff}subsystem web failed: it exited with code 1"
    )
    #expect(
      SyslogMessage.text(Self.event(severity: .info), node: "", process: 1).hasPrefix(
        "<30>1 2026-05-01T09:30:00.123456Z - "))
  }

  @Test(arguments: ["a\nb", "a\u{0}b", "a\u{1b}[31mb", "a\rb"]) func `no text gets out of its message`(text: String) {
    let message = SyslogMessage.text(Self.event(text, cause: text), node: text, process: 1)
    #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f })
  }

  @Test func `OTLP has the form that collectors read`() throws {
    let bytes = try OTLPLogs.encode([Self.event(), Self.event(severity: .warning)], node: "n1")
    let top = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    let resource = try #require((top["resourceLogs"] as? [[String: Any]])?.first)
    let scope = try #require((resource["scopeLogs"] as? [[String: Any]])?.first)
    let records = try #require(scope["logRecords"] as? [[String: Any]])
    #expect(records.count == 2)
    #expect(records[0]["timeUnixNano"] as? String == "1777627800123456000")
    #expect(records[0]["severityNumber"] as? Int == 17)
    #expect(records[1]["severityText"] as? String == "WARN")
    #expect((records[0]["body"] as? [String: String]) == ["stringValue": "subsystem web failed: it exited with code 1"])
    let attributes = try #require((resource["resource"] as? [String: Any])?["attributes"] as? [[String: Any]])
    #expect(attributes.contains { $0["key"] as? String == "host.name" })
  }

  @Test func `a journal's field with a line end is sent with its length`() {
    let bytes = JournalDelivery.datagram(Self.event(cause: "one\ntwo"))
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("PRIORITY=3\nSYSLOG_IDENTIFIER=nodeagent\nNODEAGENT_KIND=subsystem\n"))
    #expect(text.contains("MESSAGE\n"))
    let expected = Array("NODEAGENT_CAUSE\n".utf8) + [7, 0, 0, 0, 0, 0, 0, 0] + Array("one\ntwo\n".utf8)
    #expect(bytes.firstRange(of: expected) != nil)
  }
}
