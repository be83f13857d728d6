// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Identities, from the certificate manager through the kernel's keyrings into containers.
@Suite(.enabled(if: KeyUpcalls.problem == nil, "\(KeyUpcalls.problem ?? "")")) struct IdentityTests {
  private static func agent(_ lines: String = "identity: {life: 1h}\nuser: \"1000:1000\"") throws -> TestAgent {
    let agent = try TestAgent()
    try agent.importBusybox(
      "resources: {memory: 64MiB}\nendpoints: [{name: http, port: 8080}]\n\(lines)",
      change: { try KeyUpcalls.install("keyctl", in: $0) })
    return agent
  }

  private static func identity(_ agent: TestAgent, _ name: String) throws -> IdentityView? {
    try agent.certificates().call(CertMethods.list, .init(names: [name])).first
  }

  private static func events(_ agent: TestAgent) throws -> [AgentEvent] {
    try agent.node().call(EventMethods.list, .init(kinds: ["certificate"]))
  }

  @Test func `a container has its identity before its first instruction`() throws {
    let agent = try Self.agent()
    let said = try agent.inside(
      [
        "\(agent.programs)/nodeagent", "run", "--attach", "--name", "web", "bb", "--", "/bin/sh", "-c",
        "\(KeyUpcalls.readKey); keyctl show; cat /proc/self/environ /proc/1/cmdline /proc/self/cmdline; sleep 1000 & sleep 0.5",
      ])
    #expect(said.code == 0, "\(said)")
    try FileSystem.replace("\(agent.root)/id.pem", with: Array(said.output.utf8), mode: 0o600)
    try FileSystem.replace(
      "\(agent.root)/root.pem", with: Array(try agent.cli("cert", "root").output.utf8), mode: 0o644)
    let checked = try Command.run(["openssl", "pkey", "-in", "\(agent.root)/id.pem", "-noout", "-check"])
    #expect(checked.output.contains("Key is valid"), "\(checked) \(said)")
    let verified = try Command.run([
      "openssl", "verify", "-x509_strict", "-CAfile", "\(agent.root)/root.pem", "-untrusted", "\(agent.root)/id.pem",
      "\(agent.root)/id.pem",
    ])
    #expect(verified.code == 0, "\(verified)")
    let text = try Command.run(["openssl", "x509", "-in", "\(agent.root)/id.pem", "-noout", "-text"]).output
    #expect(text.contains("DNS:web.containers.internal") && text.contains("URI:http+tcp://") && text.contains("O = bb"))
    // The keyring shows it, to whoever is in the container; nothing else does.
    let shown = said.output.components(separatedBy: "Session Keyring").last ?? ""
    #expect(shown.contains("keyring: nodeagent") && shown.contains("---ls-rv") && shown.contains("nodeagent:cert:"))
    #expect(said.output.components(separatedBy: "nodeagent:cert:").count == 2, "the token is somewhere else, too")
    // It has ended, and so has its identity.
    try agent.eventually("it is revoked") { try Self.identity(agent, "web") == nil }
    let ledger = try agent.cli("ca", "ls", "--directory", "\(agent.instance.certificateState)/ca").output
    #expect(ledger.contains("revoked (cessation-of-operation)"), "\(ledger)")
  }

  @Test func `what is in the container can read its key, and ask the kernel for no other`() throws {
    let agent = try Self.agent()
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    let tries = """
      keyctl request2 user nodeagent:cert:1.x y; keyctl add user a b @s; keyctl session - true; keyctl link @u @s; \
      keyctl unlink $(keyctl search @s keyring nodeagent) @s; keyctl new_session; keyctl clear @s; keyctl show >/dev/null && echo readable
      """
    let said = try agent.cli("exec", "web", "sh", "-c", tries)
    #expect(said.output == "readable\n", "\(said)")
    #expect(said.error.components(separatedBy: "Operation not permitted").count >= 7, "\(said)")
    // One without an identity has no keys at all.
    #expect(try agent.cli("run", "--name", "plain", "--no-identity", "bb").code == 0)
    let plain = try agent.cli("exec", "plain", "keyctl", "show")
    #expect(plain.code != 0 && plain.error.contains("Operation not permitted"), "\(plain)")
    #expect(try agent.view("plain").agent == nil && agent.view("web").agent == Self.identity(agent, "web")?.agent)
  }

  @Test func `a token is good once, for one user, in its time`() throws {
    let agent = try Self.agent()
    // As root, whom the manager takes for the node controller.
    let token = try agent.certificates().call(
      CertMethods.request, .init(subsystem: "tool", uid: 54321, name: "tool", life: 600))
    func redeem(uid: Int) throws -> Command {
      try Command.run([
        "setpriv", "--reuid", "\(uid)", "--regid", "\(uid)", "--clear-groups", "keyctl", "session", "-", "sh", "-c",
        "id=$(keyctl request2 user nodeagent:cert:\(token.token) '' @s) && keyctl rdescribe $id && keyctl pipe $id && grep $(printf %08x $id) /proc/keys",
      ])
    }
    let stranger = try redeem(uid: 54322)
    #expect(stranger.code != 0 && stranger.error.contains("rejected"), "\(stranger)")
    // A refusal is remembered for a while by the kernel, in the keyring that asked; each of these has its own.
    let own = try redeem(uid: 54321)
    #expect(own.code == 0 && own.output.contains("BEGIN PRIVATE KEY"), "\(own)")
    // The possessor alone may do anything with it; it ends with its certificate.
    #expect(own.output.contains("user;54321;54321;1b000000;"), "\(own)")
    let minutes = own.output.split(separator: "\n").last?.split(separator: " ").first { $0.hasSuffix("m") }
    #expect(minutes.flatMap { Int($0.dropLast()) }.map { (1...10).contains($0) } == true, "\(own)")
    for uid in [54321, 0] {
      let again = try redeem(uid: uid)
      #expect(again.code != 0 && again.error.contains("rejected"), "\(again)")
    }
    try agent.eventually("the refusals are events of the node") {
      try Self.events(agent).filter { $0.event == "refused" }.count >= 3
    }
    let verified = try agent.cli("ca", "audit", "verify", "--directory", "\(agent.instance.certificateState)/ca")
    #expect(verified.output.hasPrefix("intact"), "\(verified)")
    // Nonsense reaches nobody.
    let nonsense = try Command.run([
      "keyctl", "session", "-", "keyctl", "request2", "user", "nodeagent:cert:0/../../x", "",
    ])
    #expect(nonsense.code != 0)
  }

  @Test func `a renewal takes the place of what was there, without a restart`() throws {
    let agent = try Self.agent()
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    let pid = try agent.view("web").pid
    let before = try agent.cli("exec", "web", "sh", "-c", KeyUpcalls.readKey).output
    let identity = try #require(try Self.identity(agent, "web"))
    #expect(try agent.cli("cert", "renew", identity.agent).code == 0)
    try agent.eventually("the container has the next") {
      let now = try agent.cli("exec", "web", "sh", "-c", KeyUpcalls.readKey).output
      return now.contains("BEGIN PRIVATE KEY") && now != before
    }
    let view = try #require(try Self.identity(agent, "web"))
    #expect(view.agent == identity.agent && view.serial != identity.serial && view.fresh != true)
    #expect(try agent.view("web").pid == pid)
    #expect(try agent.cli("exec", "web", "sh", "-c", "keyctl show | grep -c nodeagent:cert").output == "1\n")
  }

  @Test func `controllers and the manager may die, and containers keep who they are`() throws {
    let agent = try Self.agent()
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    let identity = try #require(try Self.identity(agent, "web"))
    let key = try agent.cli("exec", "web", "sh", "-c", KeyUpcalls.readKey).output
    for subsystem in ["cert-manager", "container-controller"] {
      let pid = agent.subsystemPID(subsystem)
      #expect(kill(pid, SIGKILL) == 0)
      try agent.eventually("\(subsystem) is back") {
        let now = agent.subsystemPID(subsystem)
        return now > 0 && now != pid
      }
    }
    try agent.eventually("they answer") { try agent.cli("exec", "web", "sh", "-c", KeyUpcalls.readKey).output == key }
    #expect(try Self.identity(agent, "web")?.serial == identity.serial)
    // What was known before is still known: the renewal arrives, and the end.
    #expect(try agent.cli("cert", "renew", identity.agent).code == 0)
    try agent.eventually("the container has the next") {
      let now = try agent.cli("exec", "web", "sh", "-c", KeyUpcalls.readKey).output
      return now.contains("BEGIN PRIVATE KEY") && now != key
    }
    // A container that ends while the manager is dead.
    let manager = agent.subsystemPID("cert-manager")
    #expect(kill(manager, SIGSTOP) == 0)
    let removing = try agent.cli("kill", "web")
    #expect(kill(manager, SIGKILL) == 0)
    #expect(removing.code == 0, "\(removing)")
    try agent.eventually("its identity has ended, too") { try Self.identity(agent, "web") == nil }
  }

  @Test func `without an answer to the kernel a start says what is wrong`() throws {
    let agent = try Self.agent()
    let pid = agent.subsystemPID("cert-manager")
    #expect(kill(pid, SIGSTOP) == 0)
    defer { kill(pid, SIGKILL) }
    // It is there and says nothing: the start gives up, and nothing of it is left.
    #expect(try agent.cli("create", "--name", "web", "bb").code == 0)
    let started = try agent.cli("start", "web", seconds: 90)
    #expect(started.code != 0 && started.error.contains("certificate manager"), "\(started)")
    #expect(try agent.view("web").state == .failed && agent.view("web").pid == nil)
    #expect(kill(pid, SIGCONT) == 0)
    try agent.eventually("it starts") { try agent.cli("start", "web").code == 0 }
  }

  @Test func `the manager gives signs of life`() throws {
    let agent = try TestAgent()
    let manager = agent.subsystemPID("cert-manager")
    let credentials = try FileSystem.status(of: agent.instance.certificateSocket)
    let status = try FileSystem.readText("/proc/\(manager)/status")
    #expect(status.contains("Uid:\t\(credentials.uid)\t"), "its own socket is not its own")
    #expect(credentials.uid != 0 && credentials.mode & 0o777 == 0o660)
    // The first look comes with the start.
    try agent.eventually("it is available") {
      try agent.cli("subsystem", "ls").output.contains("cert-manager          available")
    }
    _ = try agent.certificates().call(CertMethods.status)
    let log = try FileSystem.readText("\(agent.instance.subsystemState)/cert-manager/log.000001", limit: 1 << 20)
    #expect(!log.contains("no sign of life"), "\(log)")
  }

  @Test func `keys are nowhere but in the keyring`() throws {
    let agent = try Self.agent()
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    // Before anybody here knows the key: what reads it for the test goes through the container controller.
    var images = try ["cert-manager", "container-controller", "monitor"].map {
      ($0, try MemoryImage(of: agent.subsystemPID($0)))
    }
    images.append(("node-controller", try MemoryImage(of: agent.nodeControllerPID)))
    images.append(("the harness", try MemoryImage(of: try #require(try agent.view("web").pid))))
    let pem = try agent.cli("exec", "web", "sh", "-c", KeyUpcalls.readKey).output
    let lines = pem.split(separator: "\n").drop { !$0.contains("BEGIN PRIVATE KEY") }.dropFirst()
      .prefix { !$0.contains("END") }
    let text = lines.joined()
    let der = try #require(Data(base64Encoded: text))
    // The scalar (RFC 5915), as memory has it, and what the second line of the PEM has of it.
    let secret = Array(der[36..<68])
    let encoded = Array(text.utf8.dropFirst(64).prefix(24))
    for (name, image) in images {
      #expect(image.occurrences(of: secret) == 0, "\(name) has the key")
      #expect(image.occurrences(of: encoded) == 0, "\(name) has the key as text")
    }
    // The search finds what is there.
    #expect(images[0].1.occurrences(of: Array(agent.instance.certificateState.utf8)) > 0)
    let found = try Command.run(["grep", "-rlF", "--", String(decoding: encoded, as: UTF8.self), agent.root])
    #expect(found.output.isEmpty, "\(found.output)")
    let manager = agent.subsystemPID("cert-manager")
    let status = try FileSystem.readText("/proc/\(manager)/status")
    #expect(status.contains("CapEff:\t0000000000000000") && !status.contains("VmLck:\t       0 kB"), "\(status)")
    let limits = try FileSystem.readText("/proc/\(manager)/limits")
    #expect(limits.split(separator: "\n").contains { $0.hasPrefix("Max core file size        0") }, "\(limits)")
    // Not dumpable: its files in /proc are root's (proc(5)).
    #expect(try FileSystem.status(of: "/proc/\(manager)/mem").uid == 0)
  }

  @Test func `a keyring without room is a clear error`() throws {
    let agent = try Self.agent()
    let token = try agent.certificates().call(CertMethods.request, .init(subsystem: "tool", uid: 54399))
    let limit = Int(try FileSystem.readText("/proc/sys/kernel/keys/maxbytes").filter(\.isNumber)) ?? 20000
    // All but a little of it is taken by other keys of the same user.
    let said = try Command.run([
      "setpriv", "--reuid", "54399", "--regid", "54399", "--clear-groups", "keyctl", "session", "-", "sh", "-c",
      "head -c \(limit - 1500) /dev/zero | tr '\\0' x | keyctl padd user filler @s; keyctl request2 user nodeagent:cert:\(token.token) '' @s",
    ])
    #expect(said.code != 0 && said.error.contains("quota exceeded"), "\(said)")
  }
}
