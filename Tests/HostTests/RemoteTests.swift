// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Two nodes with an authority of their own, and callers between them.
@Suite(.enabled(if: KeyUpcalls.problem == nil, "\(KeyUpcalls.problem ?? "")")) struct RemoteTests {
  /// An authority, served on a node as one of its sub-systems, at 10.77.0.1:9743.
  private struct Authority {
    let agent: TestAgent
    let directory: String
    let fingerprint: String

    init(on agent: TestAgent) throws {
      self.agent = agent
      directory = "\(agent.root)/authority"
      let made = try agent.cli("ca", "init", "--directory", directory, "--application", "shop")
      guard made.code == 0 else { throw Command.Failure(description: "\(made)") }
      fingerprint = try agent.cli("ca", "fingerprint", "--directory", directory).output.filter { !$0.isNewline }
      let units = agent.instance.subsystemUnits
      try FileSystem.makeDirectories(units, mode: 0o755)
      let command = [
        "\(agent.programs)/nodeagent", "ca", "serve", "--directory", directory, "--listen", "10.77.0.1:9743", "--host",
        "10.77.0.1",
      ]
      let unit = "command: [\(command.map { "\"\($0)\"" }.joined(separator: ", "))]\nrestart: always\n"
      try FileSystem.replace("\(units)/authority.yaml", with: Array(unit.utf8), mode: 0o644)
      let applied = try agent.cli("subsystem", "reload")
      guard applied.code == 0 else { throw Command.Failure(description: "\(applied)") }
    }

    func token(_ node: String, _ options: [String] = []) throws -> String {
      let made = try agent.cliList(["ca", "token", node, "--directory", directory] + options)
      guard made.code == 0 else { throw Command.Failure(description: "\(made)") }
      return made.output.filter { !$0.isNewline }
    }

    /// Makes an agent a node of this authority, and waits until it is one.
    func take(
      _ other: TestAgent, _ name: String, address: String, bootstrap: String? = nil, options: [String] = []
    ) throws {
      let file = "\(other.root)/bootstrap"
      if bootstrap == nil {
        let text =
          "nodeagent.token=\(try token(name, options)) nodeagent.authority=https://10.77.0.1:9743 nodeagent.root=\(fingerprint)\n"
        try FileSystem.replace(file, with: Array(text.utf8), mode: 0o644)
      }
      try FileSystem.makeDirectories(other.instance.configuration, mode: 0o755)
      let configuration = "bootstrap: \(bootstrap ?? "file:\(file)")\nremote: [\"tcp://\(address):9740\"]\n"
      try FileSystem.replace(other.instance.certificates, with: Array(configuration.utf8), mode: 0o644)
      try other.killNodeController()
      try other.startDaemon()
    }

    /// A certificate by a token, with its key, in a file.
    func credentials(_ name: String, _ options: [String]) throws -> (path: String, serial: String) {
      let folder = "\(agent.root)/\(name)"
      try FileSystem.makeDirectories(folder, mode: 0o700)
      let token = try agent.cliList(["ca", "token", "two.example", name, "--directory", directory] + options)
      try FileSystem.replace("\(folder)/token", with: Array(token.output.utf8), mode: 0o600)
      let made = try agent.inside([
        "sh", "-c",
        """
        cd \(folder) && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2>/dev/null \
        && openssl req -new -key key.pem -subj /CN=x -out req.pem \
        && \(agent.programs)/nodeagent ca sign --directory \(directory) --token-file token < req.pem > cert.pem \
        && cat key.pem cert.pem \(directory)/root.pem > all.pem && chmod 600 all.pem \
        && openssl x509 -in cert.pem -noout -serial
        """,
      ])
      guard made.code == 0 else { throw Command.Failure(description: "\(made)") }
      return (
        "\(folder)/all.pem", made.output.split(separator: "=").last.map { $0.lowercased().filter(\.isHexDigit) } ?? ""
      )
    }

    func ledger() throws -> String { try agent.cli("ca", "ls", "--directory", directory).output }
  }

  private static func status(_ agent: TestAgent) throws -> CertMethods.Status {
    try agent.certificates().call(CertMethods.status)
  }

  @Test func `a second node is taken in by its token, and calls the first`() throws {
    let (first, second) = (try TestAgent(), try TestAgent())
    try first.link(to: second, name: "wire", near: ["10.77.0.1/24"], far: ["10.77.0.2/24"])
    let authority = try Authority(on: first)
    try authority.take(first, "one.example", address: "10.77.0.1")
    try authority.take(second, "two.example", address: "10.77.0.2")
    for (agent, name) in [(first, "one.example"), (second, "two.example")] {
      try agent.eventually("\(name) is a node", seconds: 40) { try Self.status(agent).node == name }
      try agent.eventually("its gateway serves") {
        try agent.cli("subsystem", "ls").output.contains("serving until")
      }
    }
    try first.importBusybox(
      "resources: {memory: 64MiB}\nidentity: true", change: { try KeyUpcalls.install("keyctl", in: $0) })
    // From now on another intermediate signs: certificates, and the list that says who may not come in. The nodes' own are of the first.
    let made = try first.cli("ca", "intermediate", "--directory", authority.directory)
    #expect(made.code == 0 && made.output.contains("BEGIN CERTIFICATE"), "\(made)")
    // Root on the second node is its node controller there: it may look, and no more.
    #expect(try second.cli("--node", "10.77.0.1", "ps").code == 0)
    #expect(try second.cli("node", "status", "--node", "10.77.0.1").code == 0)
    let refused = try second.cli("run", "--node", "10.77.0.1", "--name", "web", "bb")
    #expect(refused.code != 0 && refused.error.contains("needs the role operator"), "\(refused)")
    // Who is to change things has a certificate that says so.
    let boss = try authority.credentials("boss", ["--role", "admin"]).path
    func far(_ verb: String..., input: String = "") throws -> Command {
      try second.cliList(["--node", "10.77.0.1:9740", "--credentials", boss] + verb, input: input)
    }
    let run = try far("run", "--name", "web", "bb")
    #expect(run.code == 0, "\(run)")
    #expect(try far("ps").output.contains("web"))
    #expect(try far("exec", "web", "echo", "far").output == "far\n")
    let piped = try far("exec", "-i", "web", "wc", "-c", input: String(repeating: "x", count: 300_000))
    #expect(piped.output == "300000\n", "\(piped)")
    #expect(try far("cert", "ls").output.contains("web"))
    // The container's identity is from the same authority, and leads to its root: by the intermediate that it is signed with.
    #expect(try authority.ledger().contains("one.example"))
    let identity = try far("exec", "web", "sh", "-c", KeyUpcalls.readKey).output
    try FileSystem.replace("\(first.root)/identity.pem", with: Array(identity.utf8), mode: 0o600)
    let verified = try first.inside([
      "openssl", "verify", "-x509_strict", "-CAfile", "\(authority.directory)/root.pem", "-untrusted",
      "\(first.root)/identity.pem", "\(first.root)/identity.pem",
    ])
    #expect(verified.code == 0, "\(verified)")
    // Its token does not work twice: a third node that has come by it stays outside.
    let third = try TestAgent()
    try first.link(to: third, name: "other", near: ["10.77.1.1/24"], far: ["10.77.1.2/24"])
    #expect(try third.inside(["ip", "route", "add", "10.77.0.1/32", "via", "10.77.1.1"]).code == 0)
    try authority.take(third, "three.example", address: "10.77.1.2", bootstrap: "file:\(second.root)/bootstrap")
    try third.eventually("it is told why", seconds: 40) {
      try Self.status(third).problem?.contains("the token was used already") == true
    }
    #expect(try Self.status(third).node == nil)
    let audit = try first.cli("ca", "audit", "verify", "--directory", authority.directory)
    #expect(audit.output.hasPrefix("intact"), "\(audit)")
  }

  @Test func `nobody comes in without a certificate that is good, and with no more than it says`() throws {
    let (first, second) = (try TestAgent(), try TestAgent())
    try first.link(to: second, name: "wire", near: ["10.77.0.1/24"], far: ["10.77.0.2/24"])
    let authority = try Authority(on: first)
    try authority.take(first, "one.example", address: "0.0.0.0")
    try first.eventually("it is a node", seconds: 40) { try Self.status(first).node == "one.example" }
    try first.eventually("its gateway serves") {
      try first.cli("subsystem", "ls").output.contains("serving until")
    }
    // The second node has an authority of its own, which nobody here trusts.
    let stranger = try second.cli("ps", "--node", "10.77.0.1")
    #expect(stranger.code != 0 && !stranger.error.isEmpty, "\(stranger)")
    let bare = try second.inside([
      "sh", "-c",
      "(echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node.info\"}'; sleep 3) | openssl s_client -connect 10.77.0.1:9740 -alpn nodeagent-node/1",
    ])
    #expect(bare.error.contains("certificate required") && !bare.output.contains("\"result\""), "\(bare)")
    func call(_ path: String, _ verb: [String]) throws -> Command {
      try second.cliList(verb + ["--node", "10.77.0.1", "--credentials", path])
    }
    let observer = try authority.credentials("looker", ["--role", "observer"])
    #expect(try call(observer.path, ["ps"]).code == 0)
    let changing = try call(observer.path, ["node", "mark-unavailable", "--reason", "x"])
    #expect(
      changing.code != 0 && changing.error.contains("needs the role")
        && changing.error.contains("looker on two.example"), "\(changing)")
    // Roles of this machine's own parts count for nothing from elsewhere.
    let cheat = try authority.credentials(
      "cheat", ["--role", "container-controller", "--role", "monitor", "--role", "gateway"])
    let refused = try call(cheat.path, ["ps"])
    #expect(refused.code != 0 && refused.error.contains("no role for callers from other machines"), "\(refused)")
    // What is revoked is refused, as soon as the list is fetched anew.
    let admin = try authority.credentials("boss", ["--role", "admin"])
    #expect(try call(admin.path, ["subsystem", "ls"]).code == 0)
    let expected = try call(admin.path, ["cert", "ls"])
    #expect(expected.code == 0, "\(expected)")
    #expect(try first.cli("ca", "revoke", admin.serial, "--directory", authority.directory).code == 0)
    try first.eventually("the revoked one is refused", seconds: 100) {
      let now = try call(admin.path, ["subsystem", "ls"])
      return now.code != 0 && now.error.contains("is revoked")
    }
    // A key that others can read is not used.
    chmod(observer.path, 0o644)
    #expect(try call(observer.path, ["ps"]).error.contains("can be read by others"))
    // A name is that of the node, or who answers there is somebody else.
    let wrong = try first.cli("ps", "--node", "localhost")
    #expect(wrong.code != 0 && wrong.error.contains("is the gateway of one.example"), "\(wrong)")
  }

  @Test func `an authority that is away, and one that comes late, cost nothing but time`() throws {
    let (first, second) = (try TestAgent(), try TestAgent())
    try first.link(to: second, name: "wire", near: ["10.77.0.1/24"], far: ["10.77.0.2/24"])
    let authority = try Authority(on: first)
    #expect(try first.cli("subsystem", "stop", "authority").code == 0)
    try authority.take(second, "two.example", address: "10.77.0.2")
    try second.importBusybox("resources: {memory: 64MiB}", change: { try KeyUpcalls.install("keyctl", in: $0) })
    // The node is up, and says why it gives nobody an identity.
    try second.eventually("it says what is wrong") {
      try Self.status(second).problem?.contains("does not answer") == true
        || Self.status(second).problem?.contains("10.77.0.1") == true
    }
    #expect(try second.cli("run", "--name", "plain", "bb").code == 0)
    let early = try second.cli("run", "--name", "early", "--identity", "bb")
    #expect(early.code != 0 && early.error.contains("has no identity here"), "\(early)")
    #expect(try first.cli("subsystem", "start", "authority").code == 0)
    try second.eventually("it is taken in", seconds: 60) { try Self.status(second).node == "two.example" }
    try second.eventually("it gives identities") {
      try second.cli("run", "--name", "web", "--identity", "bb").code == 0
    }
    #expect(try second.cli("cert", "status").output.contains("needs another token"))
    // A manager that dies needs no token again: what it is, it has kept in a keyring.
    let serials = try authority.ledger()
    let pid = second.subsystemPID("cert-manager")
    #expect(kill(pid, SIGKILL) == 0)
    try second.eventually("another manager serves") {
      let now = second.subsystemPID("cert-manager")
      return now > 0 && now != pid
    }
    try second.eventually("it is still a node") { try Self.status(second).node == "two.example" }
    #expect(
      try authority.ledger().components(separatedBy: "cert-manager").count
        == serials.components(separatedBy: "cert-manager").count)
    // The wire is cut: what runs goes on, and what ends is told later.
    #expect(try first.inside(["ip", "link", "set", "wire", "down"]).code == 0)
    #expect(try second.cli("exec", "web", "true").code == 0)
    #expect(try second.cli("rm", "-f", "web").code == 0)
    #expect(try first.inside(["ip", "link", "set", "wire", "up"]).code == 0)
    try second.eventually("its identity is revoked", seconds: 60) {
      try authority.ledger().split(separator: "\n").filter { $0.contains("  bb  ") }.allSatisfy {
        $0.contains("revoked")
      }
    }
  }

  @Test func `a node comes back after a boot, with the token that it was given for that`() throws {
    let (first, second) = (try TestAgent(), try TestAgent())
    try first.link(to: second, name: "wire", near: ["10.77.0.1/24"], far: ["10.77.0.2/24"])
    let authority = try Authority(on: first)
    try authority.take(second, "two.example", address: "10.77.0.2", options: ["--after-boot", "30d"])
    func own() throws -> [Substring] {
      try authority.ledger().split(separator: "\n").filter { $0.contains("  cert-manager  ") }
    }
    try second.eventually("it is taken in", seconds: 60) { try Self.status(second).node == "two.example" }
    #expect(try second.cli("cert", "status").output.contains("comes back by itself"))
    let file = "\(second.instance.certificateState)/next-boot"
    let uid = try FileSystem.status(of: second.instance.certificateState).uid
    var status = try FileSystem.status(of: file)
    #expect(status.uid == uid && status.mode & 0o777 == 0o600)
    let before = try FileSystem.readText(file, limit: 256)
    for turn in 1...2 {
      // What was in memory alone is gone, as by a boot.
      let lost = try Command.run([
        "setpriv", "--reuid", "\(uid)", "--clear-groups", "keyctl", "session", "-", "sh", "-c",
        "keyctl link @u @s && keyctl unlink $(keyctl search @u user nodeagent:manager:\(try second.number)) @u",
      ])
      #expect(lost.code == 0, "\(lost)")
      let pid = second.subsystemPID("cert-manager")
      #expect(kill(pid, SIGKILL) == 0)
      try second.eventually("it is a node again, as another agent", seconds: 60) {
        let now = second.subsystemPID("cert-manager")
        return try now > 0 && now != pid && Self.status(second).node == "two.example" && own().count == turn + 1
      }
      try second.eventually("it has a token for the next boot") {
        try FileSystem.readText(file, limit: 256) != before
      }
    }
    // Who it was before is nobody any more.
    let agents = try own()
    #expect(agents.filter { $0.contains("revoked (superseded)") }.count == 2, "\(agents)")
    #expect(agents.filter { $0.contains("  good") }.count == 1, "\(agents)")
    status = try FileSystem.status(of: file)
    #expect(status.uid == uid && status.mode & 0o777 == 0o600)
    let audit = try first.cli("ca", "audit", "verify", "--directory", authority.directory)
    #expect(audit.output.hasPrefix("intact"), "\(audit)")
  }

  @Test func `a stolen token is worth nothing for long`() throws {
    let (first, second) = (try TestAgent(), try TestAgent())
    try first.link(to: second, name: "wire", near: ["10.77.0.1/24"], far: ["10.77.0.2/24"])
    let authority = try Authority(on: first)
    func token(_ node: String, within seconds: Int) throws -> String {
      try first.cli(
        "ca", "token", node, "--directory", authority.directory, "--call-back", "10.77.0.2:9742", "--call-back-within",
        "\(seconds)s"
      ).output.filter { !$0.isNewline }
    }
    func audit() throws -> String { try first.cli("ca", "audit", "--directory", authority.directory).output }
    // The node that was meant proves that it is there.
    let file = "\(second.root)/bootstrap"
    try FileSystem.replace(file, with: Array(try token("two.example", within: 120).utf8), mode: 0o644)
    try FileSystem.makeDirectories(second.instance.configuration, mode: 0o755)
    let configuration = """
      bootstrap: file:\(file)
      authority: https://10.77.0.1:9743
      root: \(authority.fingerprint)
      call-back: tcp://10.77.0.2:9742
      """
    try FileSystem.replace(second.instance.certificates, with: Array(configuration.utf8), mode: 0o644)
    let reloaded = try second.cli("subsystem", "reload")
    #expect(reloaded.output.contains("certificates.yaml has changed"), "\(reloaded)")
    try second.eventually("it is taken in", seconds: 60) { try Self.status(second).node == "two.example" }
    try first.eventually("it was called back", seconds: 60) { try audit().contains(" called back ") }
    #expect(!(try audit().contains("not called back")))
    // A thief is first, somewhere else: what he got is revoked.
    let stolen = try token("two.example", within: 2)
    let taken = try first.inside([
      "sh", "-c",
      """
      cd \(first.root) && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout thief.key -out thief.csr 2>/dev/null \
      && printf '{"csr": "%s"}' "$(sed 's/$/\\\\n/' thief.csr | tr -d '\\n')" > body.json \
      && curl -s --cacert \(authority.directory)/root.pem -H 'Authorization: Bearer \(stolen)' --data @body.json https://10.77.0.1:9743/sign
      """,
    ])
    #expect(taken.output.contains("BEGIN CERTIFICATE"), "\(taken)")
    try first.eventually("it is revoked", seconds: 60) { try audit().contains("not called back") }
    #expect(try authority.ledger().contains("revoked (key-compromise)"))
    #expect(try Self.status(second).problem == nil)
  }
}
