// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Identities of the host's own services.
@Suite(.enabled(if: KeyUpcalls.problem == nil, "\(KeyUpcalls.problem ?? "")")) struct SubsystemIdentityTests {
  private static let nobody: UInt32 = 65534

  /// A service that writes what its keyring has into a file, at its start and at `SIGUSR1`.
  private static func agent(_ backend: TestBackend, _ lines: String) throws -> TestAgent {
    let agent = try TestAgent(backend)
    let out = "\(agent.root)/out"
    try FileSystem.makeDirectory(out, mode: 0o777)
    #expect(chmod(out, 0o777) == 0)
    let script = """
      #!/bin/sh
      dump() {
        key=$(keyctl list $(keyctl search @s keyring nodeagent) | sed -n '2s/:.*//p')
        keyctl pipe $key > \(out)/new && mv \(out)/new \(out)/identity
        keyctl list $(keyctl search @s keyring nodeagent) | head -n 1 > \(out)/count
      }
      trap dump USR1
      dump
      while :; do sleep 0.1; done

      """
    try FileSystem.replace("\(agent.root)/service", with: Array(script.utf8), mode: 0o755)
    try agent.unit("svc", "command: [\(agent.root)/service]\nuser: nobody\n\(lines)")
    return agent
  }

  private static func text(_ agent: TestAgent) -> String {
    (try? FileSystem.readText("\(agent.root)/out/identity", limit: 64 << 10)) ?? ""
  }

  private static func identities(_ agent: TestAgent) throws -> [IdentityView] {
    try agent.certificates().call(CertMethods.list, .init(names: ["svc"])).filter { $0.state != .ended }
  }

  @Test(arguments: TestBackend.available) func `a service has its key in its keyring, and nobody else has`(
    backend: TestBackend
  ) throws {
    let agent = try Self.agent(
      backend, "identity: {key: p256, life: 1h}\nsockets: [{name: http, listen: \"tcp://127.0.0.1:0\"}]")
    let reload = try agent.cli("subsystem", "reload")
    #expect(reload.code == 0, "\(reload)")
    try agent.eventually("it has read its key") { Self.text(agent).contains("END CERTIFICATE") }
    let pem = "\(agent.root)/id.pem"
    try FileSystem.replace(pem, with: Array(Self.text(agent).utf8), mode: 0o600)
    let checked = try Command.run(["openssl", "pkey", "-in", pem, "-noout", "-check"])
    #expect(checked.output.contains("Key is valid"), "\(checked)")
    let shown = try Command.run(["openssl", "x509", "-in", pem, "-noout", "-text"]).output
    #expect(shown.contains("O = svc"), "\(shown)")
    // A container may have the same name, and this is none.
    #expect(!shown.contains("containers.internal"), "\(shown)")
    let view = try #require(try Self.identities(agent).first)
    #expect(view.delivery == .keyring && view.roles == ["component"] && view.uid == 0)
    // Whoever has not inherited the keyring cannot read the key, also as the same user or as root.
    let numbers = try FileSystem.readText("/proc/keys", limit: 1 << 20).split(separator: "\n").filter {
      $0.contains("nodeagent:cert:")
    }
    for line in numbers {
      let number = try #require(line.split(separator: " ").first)
      #expect(try Command.run(["keyctl", "pipe", "0x\(number)"]).code != 0)
      #expect(
        try Command.run(["setpriv", "--reuid", "nobody", "--clear-groups", "keyctl", "pipe", "0x\(number)"]).code != 0)
    }
    // It has ended, and so has its identity.
    #expect(try agent.cli("subsystem", "stop", "svc").code == 0)
    try agent.eventually("it is revoked") { try Self.identities(agent).isEmpty }
  }

  @Test(arguments: TestBackend.available) func `each run has an identity of its own`(backend: TestBackend) throws {
    let agent = try Self.agent(backend, "identity: true\nrestart: always")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    try agent.eventually("it has read its key") { Self.text(agent).contains("END CERTIFICATE") }
    let first = try #require(try Self.identities(agent).first)
    let key = Self.text(agent)
    let pid = try #require(try agent.subsystem("svc").pid)
    #expect(kill(pid, SIGKILL) == 0)
    try agent.eventually("the next has another") {
      let now = try Self.identities(agent).map(\.agent)
      return Self.text(agent) != key && Self.text(agent).contains("END CERTIFICATE") && now != [first.agent]
    }
    try agent.eventually("the one before has ended") {
      let now = try Self.identities(agent)
      return now.count == 1 && now[0].agent != first.agent
    }
  }

  @Test(arguments: TestBackend.available) func `a renewal reaches what runs, over deaths of the node controller`(
    backend: TestBackend
  ) throws {
    let agent = try Self.agent(backend, "identity: {renewal: {signal: USR1}}")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    try agent.eventually("it has read its key") { Self.text(agent).contains("END CERTIFICATE") }
    let identity = try #require(try Self.identities(agent).first)
    let pid = try agent.subsystem("svc").pid
    for round in 0..<2 {
      let before = Self.text(agent)
      if round == 1 {
        try agent.killNodeController()
        try agent.startDaemon()
        try agent.eventually("it is taken up") { try agent.subsystem("svc").state == .available }
      }
      #expect(try agent.cli("cert", "renew", identity.agent).code == 0)
      try agent.eventually("it has the next") {
        let now = Self.text(agent)
        return now != before && now.contains("END CERTIFICATE")
      }
      // One key: who looks again finds the present one.
      try agent.eventually("it is alone there") {
        try FileSystem.readText("\(agent.root)/out/count", limit: 100).hasPrefix("1 key in")
      }
    }
    #expect(try agent.subsystem("svc").pid == pid)
    let now = try #require(try Self.identities(agent).first)
    #expect(now.agent == identity.agent && now.serial != identity.serial)
  }

  @Test(arguments: TestBackend.available) func `one that ended while nobody was there has no identity any more`(
    backend: TestBackend
  ) throws {
    let agent = try Self.agent(backend, "identity: true\nrestart: never")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    try agent.eventually("it has read its key") { Self.text(agent).contains("END CERTIFICATE") }
    let pid = try #require(try agent.subsystem("svc").pid)
    let identity = try #require(try Self.identities(agent).first)
    try agent.killNodeController()
    #expect(kill(pid, SIGKILL) == 0)
    try agent.startDaemon()
    // It starts with the agent, and is another one then.
    try agent.eventually("its identity has ended") {
      let now = try Self.identities(agent)
      return now.count == 1 && now[0].agent != identity.agent
    }
  }

  @Test(arguments: TestBackend.available) func `an end while the manager is dead is told when it is back`(
    backend: TestBackend
  ) throws {
    let agent = try Self.agent(backend, "identity: true")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    try agent.eventually("it has read its key") { Self.text(agent).contains("END CERTIFICATE") }
    // What root has asked for by hand is left alone.
    let own = try agent.certificates().call(CertMethods.request, .init(subsystem: "tool", uid: 54321, name: "tool"))
    let manager = agent.subsystemPID("cert-manager")
    #expect(kill(manager, SIGSTOP) == 0)
    let stopped = try agent.cli("subsystem", "stop", "svc")
    #expect(kill(manager, SIGKILL) == 0)
    #expect(stopped.code == 0, "\(stopped)")
    try agent.eventually("its identity has ended") { ((try? Self.identities(agent)) ?? nil)?.isEmpty ?? false }
    let left = try agent.certificates().call(CertMethods.list, .init(names: ["tool"]))
    #expect(left.map(\.agent) == [own.agent])
  }

  @Test func `what is wrong with it is said`() throws {
    let agent = try TestAgent()
    for (lines, words) in [
      ("identity: {key: rsa}", "svc.yaml:2: identity.key: must be p256 or ed25519"),
      ("identity: {life: 1s}", "identity.life: must be from 1m to 168h"),
      ("identity: {files: true}", "identity.files: is unknown"),
      ("identity: {renewal: {}}", "identity.renewal: takes either signal or command"),
    ] {
      try agent.unit("svc", "command: [/bin/true]\n\(lines)")
      let refused = try agent.cli("subsystem", "reload")
      #expect(refused.code != 0 && (refused.error + refused.output).contains(words), "\(refused)")
    }
    try agent.unit("svc", "unit: ssh.service\nidentity: true")
    let refused = try agent.cli("subsystem", "reload")
    #expect((refused.error + refused.output).contains("is decided by the unit"), "\(refused)")
  }
}
