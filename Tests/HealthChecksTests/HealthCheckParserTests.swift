// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Testing

@testable import HealthChecks

@Suite struct HealthCheckParserTests {
  private static func parse(_ text: String, of place: HealthCheckParser.Place = .subsystem) throws -> [HealthCheck] {
    try HealthCheckParser.parse(try DescriptorNode(file: "c.yaml", text: text), of: place)
  }

  @Test func `every kind of check is read`() throws {
    let checks = try Self.parse(
      """
      - process: true
      - tcp: 127.0.0.1:80
        interval: 2s
        timeout: 500ms
        rise: 2
        fall: 5
        jitter: 0
        grace: 30s
        backoff: 1m
        forgive: 5m
        arbiter: far
        actions: [restart, {run: [/bin/logger, help]}, stop]
      - unix: /run/x.sock
      - http: https://[::1]:8443/health
      - name: full
        http:
          url: http://127.0.0.1/
          method: HEAD
          headers: {Host: example.org}
          status: [200, 300-399]
          body: "ok"
          answer: {Content-Type: text}
          redirects: 3
          ca: /etc/ca.pem
          certificate: /etc/c.pem
          key: /etc/k.pem
          insecure: true
      - command: [/bin/true]
      - file: {path: /var/backup, age: 24h}
      - resources: {memory: 64MiB, cpu: 0.5, files: 100, restarts: 3}
      - name: far
        reach: {addresses: ["192.0.2.1:53", "[2001:db8::1]:53"], minimum: 1}
      """)
    var tcp = HealthCheck(name: "tcp", probe: .tcp("127.0.0.1:80"))
    tcp.interval = 2000
    tcp.timeout = 500
    tcp.rise = 2
    tcp.fall = 5
    tcp.jitter = 0
    tcp.grace = 30_000
    tcp.backoff = 60_000
    tcp.forgive = 300_000
    tcp.arbiter = "far"
    tcp.actions = [.restart, .run(["/bin/logger", "help"]), .stop]
    #expect(checks[1] == tcp)
    var http = HTTPProbe(url: "http://127.0.0.1/")
    http.method = "HEAD"
    http.headers = ["Host": "example.org"]
    http.status = ["200", "300-399"]
    http.body = "ok"
    http.answer = ["Content-Type": "text"]
    http.redirects = 3
    http.authority = "/etc/ca.pem"
    http.certificate = "/etc/c.pem"
    http.key = "/etc/k.pem"
    http.insecure = true
    #expect(checks[4] == HealthCheck(name: "full", probe: .http(http)))
    #expect(
      checks.map(\.probe.kind) == [
        "process", "tcp", "unix", "http", "http", "command", "file", "resources", "reach",
      ])
    #expect(checks[7].probe == .resources(.init(memory: 64 << 20, cpuMilli: 500, files: 100, restarts: 3)))
  }

  @Test(arguments: [
    ("- interval: 1s", "needs exactly one of"), ("- {tcp: \"a:1\", unix: /x}", "needs exactly one of"),
    ("- tcp: localhost", "must be ADDRESS:PORT"), ("- http: ftp://x", "must be a URL"),
    ("- http: {url: \"http://x\", status: [99]}", "must be a status"),
    ("- http: {url: \"http://x\", headers: {\"A: b\": c}}", "is no header field"),
    ("- {tcp: \"a:1\", interval: 1ms}", "must be at least 100ms"),
    ("- {tcp: \"a:1\", actions: [explode]}", "must be alert, restart, stop"),
    ("- {tcp: \"a:1\"}\n- {tcp: \"a:2\"}", "which another check has"),
    ("- reach: {addresses: [], minimum: 1}", "needs at least one"),
    ("- reach: {addresses: [\"a:1\"], minimum: 2}", "must be a number from 1 to 1"),
    ("- {tcp: \"a:1\", name: t, arbiter: u}\n- {unix: /x, name: u}", "must name a check of the kind reach"),
    ("- command: [true]", "the program's absolute path"), ("- resources: {}", "needs at least one of"),
    ("tcp: \"a:1\"", "must be a list"),
  ])
  func `what is wrong is said`(text: String, message: String) {
    let problem = #expect(throws: DescriptorProblem.self) { try Self.parse(text) }
    #expect(problem?.description.contains(message) ?? false, "\(problem?.description ?? "")")
  }

  @Test(arguments: ["- process: true", "- command: [/bin/true]", "- {tcp: \"a:1\", actions: [restart]}"])
  func `a node has no process`(text: String) {
    #expect(throws: DescriptorProblem.self) { try Self.parse(text, of: .node) }
  }

  @Test(arguments: [
    "- process: true", "- tcp: 127.0.0.1:80", "- tcp: \"[::1]:80\"", "- tcp: localhost:80", "- unix: /run/x.sock",
    "- http: http://localhost:8080/health", "- http: {url: \"https://127.0.0.1/\", insecure: true}",
    "- {command: [/bin/true], actions: [restart, stop, {run: [/bin/false]}]}", "- file: {path: /x, age: 1m}",
    "- resources: {memory: 1MiB, cpu: 0.5, restarts: 3}",
  ])
  func `a bundle asks for what is inside its container`(text: String) throws {
    #expect(try Self.parse(text, of: .container).count == 1)
  }

  @Test(arguments: [
    ("- tcp: db.example:80", "names are not looked up"), ("- http: http://web/", "names are not looked up"),
    ("- http: {url: \"http://127.0.0.1/\", redirects: 1}", "takes no ca"),
    ("- http: {url: \"https://127.0.0.1/\", ca: /etc/shadow}", "takes no ca"),
    ("- http: {url: \"https://127.0.0.1/\", key: /etc/shadow}", "takes no ca"),
    ("- resources: {files: 10}", "takes memory, cpu and restarts"),
    ("- reach: {addresses: [\"192.0.2.1:1\"]}", "is for the node and its sub-systems"),
    ("- {tcp: \"127.0.0.1:1\", arbiter: far}", "is for the node and its sub-systems"),
  ])
  func `and for nothing outside of it`(text: String, message: String) {
    let problem = #expect(throws: DescriptorProblem.self) { try Self.parse(text, of: .container) }
    #expect(problem?.description.contains(message) ?? false, "\(problem?.description ?? "")")
  }
}
