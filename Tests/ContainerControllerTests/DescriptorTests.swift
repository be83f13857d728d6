// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Testing

@testable import ContainerController

@Suite struct DescriptorTests {
  @Test func `a full descriptor is read`() throws {
    let descriptor = try DescriptorParser.parse(
      """
      name: web
      version: "1.0"
      command: [/bin/httpd, -f]
      environment: {LANG: C.UTF-8, EMPTY: ""}
      user: "1000:5"
      directory: /srv//www/
      resources: {memory: 64MiB, cpu: 0.5, pids: 16, tmpfs: 1MiB, receive: 10Mbit, rlimits: {nofile: 64}}
      capabilities: [NET_BIND_SERVICE]
      endpoints:
        - {name: http, port: 8080, publish: 0}
        - {name: rtp, protocol: udp, port: 5000-5010, per-source: 5/second}
      mounts:
        - {type: tmpfs, target: /data, size: 2MiB, mode: "1777"}
      network: none
      read-only: true
      readiness: notify
      restart: {policy: on-failure, limit: 3}
      stop: {signal: INT, timeout: 2s}
      log: {segment: 1MiB, segments: 2}
      identity: {key: ed25519, life: 2h, files: /srv//tls/, renewal: {signal: HUP}}
      """)
    #expect(
      descriptor.identity == .init(key: "ed25519", life: 7200, files: "/srv/tls", renewal: .signal(1)))
    #expect(descriptor.command == ["/bin/httpd", "-f"])
    #expect(descriptor.user == .init(uid: 1000, gid: 5))
    #expect(descriptor.directory == "/srv/www")
    #expect(
      descriptor.resources
        == Resources(memory: 64 << 20, swap: 0, cpuMilli: 500, pids: 16, tmpfs: 1 << 20, receiveRate: 1_250_000))
    let range = descriptor.endpoints[1]
    #expect(range.port == 5000 && range.count == 11 && range.ratePerSource == PacketRate(count: 5, unit: .second))
    #expect(descriptor.rlimits == ["nofile": 64])
    #expect(descriptor.capabilities == ["CAP_NET_BIND_SERVICE"])
    #expect(descriptor.endpoints.first?.publish == 0)
    #expect(descriptor.mounts.first?.mode == 0o1777)
    #expect(descriptor.network == .none)
    #expect(descriptor.restart == RestartPolicy(.onFailure, limit: 3))
    #expect(descriptor.stop == .init(signal: 2, timeoutMilliseconds: 2000))
  }

  @Test(arguments: [
    ("true", BundleDescriptor.Identity()), ("false", nil), ("{}", BundleDescriptor.Identity()),
    ("{files: true}", .init(files: "/run/identity")), ("{files: false}", .init()),
    ("{renewal: {command: [reload, now]}}", .init(renewal: .command(["reload", "now"]))),
  ])
  func `an identity has what is said of it`(text: String, expected: BundleDescriptor.Identity?) throws {
    let descriptor = try DescriptorParser.parse("name: a\nversion: \"1\"\ncommand: [/x]\nidentity: \(text)\n")
    #expect(descriptor.identity == expected)
  }

  /// An error names file, line and key, and says what is allowed.
  @Test(arguments: [
    ("resources: {memroy: 1MiB}", "bundle.yaml:4: resources.memroy: is unknown; resources takes memory, swap"),
    ("colour: red", "bundle.yaml:4: colour: is unknown; a descriptor takes name, version"),
    ("resources:\n  memory: lots", "bundle.yaml:5: resources.memory: must be a size such as 64MiB"),
    ("user: root", "bundle.yaml:4: user: must be UID or UID:GID"),
    ("network: host", "bundle.yaml:4: network: must be none or private"),
    ("endpoints:\n  - {name: a, port: 70000}", "bundle.yaml:5: endpoints[0].port: must be a port from 1 to 65535"),
    ("endpoints:\n  - {name: a, port: 5000-9000}", "bundle.yaml:5: endpoints[0].port: must be a port from 1 to 65535"),
    ("endpoints:\n  - {name: a, port: 9-8}", "bundle.yaml:5: endpoints[0].port: must be a port from 1 to 65535"),
    ("endpoints:\n  - {name: a, port: 5-9, publish: 65533}", "endpoints[0].publish: must leave room for 5 ports"),
    (
      "endpoints:\n  - {name: a, port: 5, rate: many}", "endpoints[0].rate: must be a number from 1 to 1000000 a second"
    ),
    ("resources:\n  receive: 10", "bundle.yaml:5: resources.receive: must be a rate from 8kbit to 16Gbit"),
    ("resources:\n  send: 1bit", "bundle.yaml:5: resources.send: must be a rate from 8kbit to 16Gbit"),
    ("capabilities: [FLY]", "bundle.yaml:4: capabilities[0]: is no capability"),
    ("mounts:\n  - {target: /proc/x, size: 1MiB}", "bundle.yaml:5: mounts[0].target: must not be / or below /proc"),
    ("mounts:\n  - {target: /a/../proc, size: 1MiB}", "bundle.yaml:5: mounts[0].target: must be an absolute path"),
    ("stop: {signal: NOPE}", "bundle.yaml:4: stop.signal: must be a signal such as SIGTERM"),
    ("identity: {key: rsa}", "bundle.yaml:4: identity.key: must be p256 or ed25519"),
    ("identity: {files: tls}", "bundle.yaml:4: identity.files: must be an absolute path without . and .."),
    ("identity: {files: /}", "identity.files: must be an absolute path"),
    ("identity: {files: /dev/tls}", "identity.files: must not be below /proc, /sys, /dev"),
    ("identity: {renewal: {}}", "identity.renewal: must have either signal or command"),
    ("identity: {renewal: {signal: HUP, command: [a]}}", "identity.renewal: must have either signal or command"),
    ("identity: {renewal: {signal: NOPE}}", "identity.renewal.signal: must be a signal such as SIGHUP"),
    ("name: twice", "name"),
    ("a: [", "is not YAML"),
    ("directory: relative", "bundle.yaml:4: directory: must be an absolute path"),
    ("environment: {\"A=B\": c}", "environment.A=B: is no name for a variable"),
    ("restart: sometimes", "bundle.yaml:4: restart: must be never or on-failure or always"),
  ])
  func `an error says where, what, and what is allowed`(line: String, message: String) {
    let text = "name: web\nversion: \"1\"\ncommand: [/bin/x]\n\(line)\n"
    let problem = #expect(throws: DescriptorProblem.self) { try DescriptorParser.parse(text) }
    #expect(problem?.description.contains(message) == true, "\(problem?.description ?? "none")")
  }

  @Test(arguments: ["", "just a text", "[]", "name: a", "name: a\nversion: b", "name: a\nversion: b\ncommand: []"])
  func `what is missing is named`(text: String) {
    #expect(throws: DescriptorProblem.self) { try DescriptorParser.parse(text) }
  }

  @Test func `aliases cannot make a bomb`() {
    let text = "name: &a web\nversion: *a\ncommand: [x]"
    #expect(throws: DescriptorProblem.self) { try DescriptorParser.parse(text) }
  }

  @Test func `random bytes never crash the reader`() {
    var generator = SystemRandomNumberGenerator()
    let alphabet = Array("name: version command [/bin/x]{}&*!|>-\n\t\"'#%@`,0123\u{e4}\0")
    for _ in 0..<5000 {
      let text = String((0..<60).map { _ in alphabet.randomElement(using: &generator)! })
      _ = try? DescriptorParser.parse(text)
    }
  }
}

@Suite struct QuantityTests {
  @Test(
    arguments: [("0", 0), ("1024", 1024), ("1K", 1024), ("64KiB", 65536), ("2GiB", 2 << 30), ("7B", 7)]
      as [(String, UInt64)])
  func `sizes`(text: String, bytes: UInt64) { #expect(Quantity.bytes(text) == bytes) }

  @Test(arguments: ["", "MiB", "1MB", "-1", "1.5MiB", "99999999999TiB", "1 MiB"])
  func `no sizes`(text: String) { #expect(Quantity.bytes(text) == nil) }

  @Test(arguments: [("0.5", 500), ("2", 2000), ("0.01", 10)] as [(String, UInt64)])
  func `processors`(text: String, milli: UInt64) { #expect(Quantity.cpuMilli(text) == milli) }

  @Test(arguments: ["", "0", "nan", "inf", "-1", "1e3", "0x1", "2000"])
  func `no processors`(text: String) { #expect(Quantity.cpuMilli(text) == nil) }
}
