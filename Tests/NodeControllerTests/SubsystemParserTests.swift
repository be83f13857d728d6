// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import LinuxKernel
import Testing

@testable import NodeController

@Suite struct SubsystemParserTests {
  @Test func `a full unit is read`() throws {
    let spec = try SubsystemParser.parse(
      """
      about: keeps sessions
      command: [/usr/bin/redis-server, /etc/redis.conf]
      requires: [storage]
      wants: [metrics]
      after: [network]
      start: socket
      user: redis
      group: "100"
      directory: /var/lib/redis
      environment: {A: "1", B: two}
      capabilities: [NET_BIND_SERVICE]
      readiness: notify
      ready-timeout: 5s
      stop: {signal: INT, timeout: 20s}
      reload: {signal: HUP}
      restart: {policy: always, delay: 250ms, max-delay: 10s, burst: 3, interval: 30s}
      watchdog: 10s
      limits: {memory: 64MiB, cpu: 0.5, pids: 20, files: 1024}
      sockets:
        - {name: main, listen: "tcp://127.0.0.1:6379"}
        - {listen: "unix:///run/redis.sock", mode: 0660, group: redis}
      log: {size: 1MiB, segments: 2}
      identity: {key: ed25519, life: 2h, renewal: {command: [/bin/reload]}}
      """, name: "cache", file: "cache.yaml")
    var expected = SubsystemSpec(name: "cache")
    expected.about = "keeps sessions"
    expected.command = ["/usr/bin/redis-server", "/etc/redis.conf"]
    expected.requires = ["storage"]
    expected.wants = ["metrics"]
    expected.after = ["network"]
    expected.start = .socket
    expected.user = "redis"
    expected.group = "100"
    expected.directory = "/var/lib/redis"
    expected.environment = ["A": "1", "B": "two"]
    expected.capabilities = ["NET_BIND_SERVICE"]
    expected.readiness = .notify
    expected.readyTimeout = 5000
    expected.stopSignal = 2
    expected.stopTimeout = 20_000
    expected.reload = .init(signal: 1)
    expected.restart = .init(condition: .always, delay: 250, maximumDelay: 10_000, burst: 3, interval: 30_000)
    expected.watchdog = 10_000
    expected.limits = .init(memory: 64 << 20, cpuMilli: 500, pids: 20, files: 1024)
    expected.sockets = [
      .init(name: "main", listen: "tcp://127.0.0.1:6379"),
      .init(name: "socket1", listen: "unix:///run/redis.sock", mode: 0o660, group: "redis"),
    ]
    expected.log = .init(size: 1 << 20, segments: 2)
    expected.identity = .init(key: "ed25519", life: 7200, renewal: .init(command: ["/bin/reload"]))
    #expect(spec == expected)
  }

  @Test(arguments: [
    ("about: x", "cache.yaml:1: command: is missing; command or unit is required"),
    ("command: [sleep]", "the program's absolute path"),
    ("command: [/bin/a]\nname: other", "must be cache, as the file is called"),
    ("command: [/bin/a]\nunit: a.service", "exclude each other"),
    ("unit: a.service\nuser: redis", "is decided by the unit a.service itself"),
    ("unit: ../a", "must be a service of systemd"),
    ("command: [/bin/a]\nrestart: often", "must be never or always or on-failure"),
    ("command: [/bin/a]\nrestart: {delay: 10s, max-delay: 1s}", "max-delay must not be less than delay"),
    ("command: [/bin/a]\nstart: socket", "needs at least one of sockets"),
    ("command: [/bin/a]\nsockets: [{listen: \"tcp://localhost:80\"}]", "addresses are numbers"),
    ("command: [/bin/a]\nsockets: [{listen: \"unix:///../x\"}]", "addresses are numbers"),
    ("command: [/bin/a]\ncapabilities: [FLY]", "is no capability"),
    ("command: [/bin/a]\nreload: {signal: HUP, command: [/bin/b]}", "takes either signal or command"),
    ("command: [/bin/a]\nidentity: {key: rsa}", "identity.key: must be p256 or ed25519"),
    ("command: [/bin/a]\nidentity: {life: 169h}", "identity.life: must be from 1m to 168h"),
    ("command: [/bin/a]\nidentity: {files: true}", "identity.files: is unknown"),
    ("unit: a.service\nidentity: true", "is decided by the unit a.service itself"),
    ("command: [/bin/a]\nreadiness: exited\nwatchdog: 1s", "is for daemons"),
    ("command: [/bin/a]\ncolour: red", "is unknown"),
    ("command: [/bin/a", "is not YAML"),
  ])
  func `what is wrong is said with its place`(text: String, message: String) {
    let problem = #expect(throws: DescriptorProblem.self) {
      try SubsystemParser.parse(text, name: "cache", file: "cache.yaml")
    }
    #expect(problem?.description.contains(message) ?? false, "\(problem?.description ?? "")")
  }

  @Test(arguments: [
    ("tcp://127.0.0.1:80", true), ("udp://[::1]:53", true), ("unix:///run/a.sock", true), ("tcp://[::1]", false),
    ("tcp://::1:80", false), ("tcp://1.2.3.4:70000", false), ("unix://run/a", false), ("tcp://[1.2.3.4]:1", false),
    ("", false), ("tcp://:80", false), ("sctp://1.2.3.4:5", false),
  ])
  func `addresses to listen on`(text: String, valid: Bool) { #expect((ListenAddress(text) != nil) == valid) }

  @Test func `no bytes of a unit file make the parser fail in another way`() {
    var random = SystemRandomNumberGenerator()
    let valid = Array(
      "command: [/bin/a]\nstop: {signal: INT, timeout: 20s}\nsockets: [{listen: \"udp://[::1]:1\"}]\n".utf8)
    for _ in 0..<3000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      do {
        _ = try SubsystemParser.parse(String(decoding: bytes, as: UTF8.self), name: "x", file: "x.yaml")
      } catch {
        #expect(!error.description.isEmpty)
      }
    }
  }
}
