// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Foundation
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Identities as files, for software that wants paths.
@Suite(.enabled(if: FileSystemServing.problem == nil, "\(FileSystemServing.problem ?? "")"))
struct IdentityFilesTests {
  private static func agent(
    _ identity: String, command: String = "[/bin/sleep, \"1000\"]", _ lines: String = "user: \"1000:1000\""
  ) throws -> TestAgent {
    let agent = try TestAgent()
    try agent.importBusybox(command: command, "resources: {memory: 64MiB}\nidentity: \(identity)\n\(lines)")
    return agent
  }

  private static func identity(_ agent: TestAgent, _ name: String = "web") throws -> IdentityView {
    try #require(try agent.certificates().call(CertMethods.list, .init(names: [name])).first)
  }

  private static func inside(_ agent: TestAgent, _ script: String, in name: String = "web") throws -> Command {
    try agent.cli("exec", name, "/bin/sh", "-c", script)
  }

  /// The serial number of a certificate in PEM, or of a server's, as openssl prints it.
  private static func serial(_ certificate: String) throws -> String {
    try Command.run(["openssl", "x509", "-noout", "-serial"], input: certificate).output
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  @Test func `key, certificate and root are files for everything in the container`() throws {
    let agent = try Self.agent("{files: true, life: 1h}")
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    let listed = try Self.inside(
      agent, "cd /run/identity && stat -c '%n %a %u:%g' * && id -u && grep /run/id /proc/mounts")
    #expect(
      listed.output.hasPrefix(
        "ca.crt 444 1000:1000\nidentity.pem 400 1000:1000\ntls.crt 444 1000:1000\ntls.key 400 1000:1000\n1000\n"),
      "\(listed)")
    #expect(listed.output.contains("fuse ro,nosuid,nodev,noexec"), "\(listed)")
    func file(_ name: String) throws -> String { try Self.inside(agent, "cat /run/identity/\(name)").output }
    for name in ["tls.key", "tls.crt", "ca.crt", "identity.pem"] {
      try FileSystem.replace("\(agent.root)/\(name)", with: Array(try file(name).utf8), mode: 0o600)
    }
    let root = agent.root
    #expect(try file("ca.crt") == agent.cli("cert", "root").output)
    #expect(try file("identity.pem") == file("tls.key") + file("tls.crt") + file("ca.crt"))
    let key = try Command.run(["openssl", "pkey", "-in", "\(root)/tls.key", "-pubout"]).output
    #expect(try Command.run(["openssl", "x509", "-in", "\(root)/tls.crt", "-noout", "-pubkey"]).output == key)
    let verified = try Command.run([
      "openssl", "verify", "-x509_strict", "-CAfile", "\(root)/ca.crt", "-untrusted", "\(root)/tls.crt",
      "\(root)/tls.crt",
    ])
    #expect(verified.code == 0, "\(verified)")
    // What reads in pieces, from anywhere in the file, sees the same; a size is a size.
    let pieces = try Self.inside(
      agent,
      "cd /run/identity; dd if=tls.crt bs=7 2>/dev/null | cmp - tls.crt && tail -c 5 tls.key && wc -c < identity.pem && stat -c %s identity.pem"
    )
    let lines = pieces.output.split(separator: "\n")
    #expect(lines.count == 3 && lines[0] == "----" && lines[1] == lines[2], "\(pieces)")
    // Also as another user of the container, to whom each file is his own.
    let root0 = try agent.cli(
      "exec", "--user", "0:0", "web", "/bin/sh", "-c",
      "stat -c '%u' /run/identity/tls.key; head -n1 /run/identity/tls.key")
    #expect(root0.output == "0\n-----BEGIN PRIVATE KEY-----\n", "\(root0)")
  }

  @Test func `nothing is written, and nobody outside sees a thing`() throws {
    let agent = try Self.agent("{files: /srv/tls}")
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    let tries = try agent.cli(
      "exec", "--user", "0:0", "web", "/bin/sh", "-c",
      "cd /srv/tls; echo x > tls.key; echo x >> tls.crt; rm tls.key; touch new; mkdir d; chmod 666 tls.key; mv tls.key x; ln -s a b; umount /srv/tls; cat missing; cat tls.key/x; ls | wc -l"
    )
    #expect(tries.output == "4\n", "\(tries)")
    #expect(tries.error.components(separatedBy: "Read-only file system").count >= 7, "\(tries)")
    // The host's root is nobody there, with any capability.
    let pid = try #require(try agent.view("web").pid)
    let outside = try agent.inside([
      "/bin/sh", "-c", "ls /proc/\(pid)/root/srv/tls; cat /proc/\(pid)/root/srv/tls/tls.key",
    ])
    #expect(
      outside.output.isEmpty && outside.error.components(separatedBy: "Permission denied").count == 3, "\(outside)")
    // A container of another user namespace has another identity.
    #expect(try agent.cli("run", "--name", "other", "bb").code == 0)
    let read = "cat /srv/tls/tls.crt"
    #expect(try Self.inside(agent, read).output != Self.inside(agent, read, in: "other").output)
    // When it ends nothing is left of it.
    #expect(try agent.cli("rm", "-f", "web", "other").code == 0)
    let mounts = try FileSystem.readText("/proc/self/mountinfo", limit: 4 << 20)
    #expect(!mounts.contains(" fuse "))
  }

  @Test func `files are of the present certificate, and the workload is told`() throws {
    let agent = try Self.agent(
      "{files: true, renewal: {signal: USR1}}",
      command:
        "[/bin/sh, -c, \"trap 'echo renewed; cat /run/identity/tls.crt > /tmp/seen' USR1; echo ready; while :; do sleep 0.1; done\"]"
    )
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    try agent.eventually("it listens") { try agent.cli("logs", "web").output.contains("ready") }
    // Whoever has opened the certificate gets its key, also when there is a next one meanwhile.
    let script = """
      { exec 3< /run/identity/tls.crt; cat /proc/uptime > /tmp/begin; echo opened > /tmp/opened; while ! test -e /tmp/go; do sleep 0.1; done;
      exec 4< /run/identity/tls.key; cat /proc/uptime > /tmp/end; cat <&3 > /tmp/pair.crt; cat <&4 > /tmp/pair.key; echo > /tmp/done; } > /dev/null 2>&1 &
      """
    #expect(try Self.inside(agent, script).code == 0)
    try agent.eventually("it has opened one") { try Self.inside(agent, "test -e /tmp/opened").code == 0 }
    let before = try Self.inside(agent, "cat /run/identity/tls.crt").output
    #expect(try agent.cli("cert", "renew", try Self.identity(agent).agent).code == 0)
    try agent.eventually("the files are the next's") {
      let now = try Self.inside(agent, "cat /run/identity/tls.crt").output
      return now.contains("BEGIN CERTIFICATE") && now != before
    }
    let now = try Self.inside(agent, "cat /run/identity/tls.crt").output
    try agent.eventually("the workload has seen it") { try Self.inside(agent, "cat /tmp/seen").output == now }
    #expect(try Self.inside(agent, "echo > /tmp/go").code == 0)
    try agent.eventually("the pair is read") { try Self.inside(agent, "test -e /tmp/done").code == 0 }
    let certificate = try Self.inside(agent, "cat /tmp/pair.crt")
    #expect(certificate.output == before, "\(certificate)")
    // It is promised for ten seconds, and a machine may be slower than that.
    let times = try Self.inside(agent, "cat /tmp/begin /tmp/end").output.split(separator: "\n").compactMap {
      $0.split(separator: " ").first.flatMap { Double($0) }
    }
    try #require(times.count == 2)
    guard times[1] - times[0] < 10 else { return print("it took \(times[1] - times[0]) s from one file to the other") }
    try FileSystem.replace(
      "\(agent.root)/pair.key", with: Array(try Self.inside(agent, "cat /tmp/pair.key").output.utf8), mode: 0o600)
    let key = try Command.run(["openssl", "pkey", "-in", "\(agent.root)/pair.key", "-pubout"]).output
    #expect(try Command.run(["openssl", "x509", "-noout", "-pubkey"], input: before).output == key)
  }

  @Test func `a command of the bundle tells the workload, also after its controller has died`() throws {
    let agent = try Self.agent(
      "{files: true, renewal: {command: [/bin/sh, -c, 'cat /run/identity/tls.crt >> /tmp/seen; test -e /tmp/fine']}}")
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    let identity = try Self.identity(agent)
    #expect(try agent.cli("cert", "renew", identity.agent).code == 0)
    // The command fails until a file is there, and is tried again, by whoever is the controller.
    try agent.eventually("it was tried") { try Self.inside(agent, "test -e /tmp/seen").code == 0 }
    try agent.killContainerController()
    try agent.eventually("the next controller tries") {
      try Self.inside(agent, "grep -c BEGIN /tmp/seen").output.trimmingCharacters(in: .whitespacesAndNewlines) >= "4"
    }
    #expect(
      try Self.inside(agent, "touch /tmp/fine; cat /run/identity/tls.crt | tail -n 3 | cmp - /dev/null").code != 2)
    let seen = try Self.inside(agent, "cat /tmp/seen").output
    #expect(seen.contains(try Self.inside(agent, "cat /run/identity/tls.crt").output))
    // One that always fails is told of.
    #expect(try Self.inside(agent, "rm -f /tmp/fine").code == 0)
    #expect(try agent.cli("cert", "renew", identity.agent).code == 0)
    try agent.eventually("an event tells", seconds: 40) {
      try agent.cli("events", "--kind", "container").output.contains("renewal command failed")
    }
  }

  @Test func `PID 1 waits for nobody who reads, and dies with readers`() throws {
    let agent = try Self.agent(
      "{files: /srv/tls}", "checks: [{name: fresh, file: {path: /srv/tls/tls.crt, age: 1h}, interval: 1s}]")
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    // PID 1 itself goes there for these: it must not wait for itself.
    #expect(
      try agent.cli("exec", "--workdir", "/srv/tls", "web", "/bin/cat", "ca.crt", seconds: 20).output.contains(
        "BEGIN"))
    let run = try agent.cli("exec", "web", "/srv/tls/tls.key", seconds: 20)
    #expect(run.error.contains("Permission denied"), "\(run)")
    try agent.eventually("a check of the files' age is made") {
      try agent.cli("health", "web").output.contains("fresh")
        && agent.cli("health", "web").output.contains("healthy")
    }
    // As many files as may be open at once: an error for the next, and no harm to anybody.
    let many =
      "for i in $(seq 16); do sh -c 'i=10; while [ $i -lt 26 ]; do eval \"exec $i< /srv/tls/tls.key\"; i=$((i+1)); done; sleep 1000' & done"
    #expect(try Self.inside(agent, "{ \(many); } > /dev/null 2>&1").code == 0)
    try agent.eventually("no more can be opened") {
      try Self.inside(agent, "cat /srv/tls/tls.crt").error.contains("Too many open files in system")
    }
    #expect(try agent.cli("kill", "web", seconds: 30).code == 0)
    try agent.eventually("it has ended") { try agent.view("web").pid == nil }
    #expect(try agent.cli("start", "web").code == 0)
    #expect(try Self.inside(agent, "cat /srv/tls/tls.key").output.contains("PRIVATE KEY"))
  }

  @Test func `PID 1 has a key in its memory only while somebody has its file open`() throws {
    let agent = try Self.agent("{files: true}")
    #expect(try agent.cli("run", "--name", "web", "bb").code == 0)
    let pid = try #require(try agent.view("web").pid)
    let open = "exec 3< /run/identity/tls.key 4< /run/identity/identity.pem; cat <&3; echo > /tmp/open; sleep 1000"
    #expect(try Self.inside(agent, "{ \(open); } > /tmp/key 2>&1 & echo $! > /tmp/reader").code == 0)
    try agent.eventually("it is open") { try Self.inside(agent, "test -e /tmp/open").code == 0 }
    let pem = try Self.inside(agent, "cat /tmp/key").output
    let line = Array(try #require(pem.split(separator: "\n").dropFirst().first).utf8)
    #expect(line.count == 64)
    #expect(try MemoryImage(of: pid).occurrences(of: line) == 2, "one for each open file")
    #expect(try Self.inside(agent, "kill $(cat /tmp/reader)").code == 0)
    try agent.eventually("it is wiped") { try MemoryImage(of: pid).occurrences(of: line) == 0 }
    for _ in 0..<20 { #expect(try Self.inside(agent, "cat /run/identity/identity.pem > /dev/null").code == 0) }
    try agent.eventually("it is wiped again") { try MemoryImage(of: pid).occurrences(of: line) == 0 }
  }

  @Test func `an identity's files are chosen at the start, too`() throws {
    let agent = try Self.agent("false")
    #expect(try agent.cli("run", "--name", "web", "--identity-files", "/run/tls", "bb").code == 0)
    #expect(try Self.inside(agent, "cat /run/tls/tls.crt").output.contains("BEGIN CERTIFICATE"))
    for path in ["tls", "/", "/proc/1", "/a/../proc"] {
      let refused = try agent.cli("create", "--name", "no", "--identity-files", path, "bb")
      #expect(refused.code != 0 && refused.error.contains("identityFiles must"), "\(refused)")
    }
    let both = try agent.cli("create", "--name", "no", "--no-identity", "--identity-files", "/run/tls", "bb")
    #expect(both.code != 0 && both.error.contains("needs an identity"), "\(both)")
  }

  @Test(.enabled(if: Examples.folder("nginx-tls") != nil, "needs the example nginx-tls: make examples"))
  func `nginx does TLS with it, unchanged, and goes on with the next`() throws {
    let agent = try TestAgent()
    #expect(try agent.cli("bundle", "import", try #require(Examples.folder("nginx-tls")), seconds: 120).code == 0)
    let run = try agent.cli("run", "--name", "web", "nginx-tls")
    #expect(run.code == 0, "\(run)")
    let address = try #require(try agent.view("web").address)
    let root = "\(agent.root)/root.pem"
    try FileSystem.replace(root, with: Array(try agent.cli("cert", "root").output.utf8), mode: 0o644)
    func get(_ path: String) throws -> Command {
      try agent.inside([
        "curl", "-sS", "--max-time", "5", "--cacert", root, "--resolve", "web.containers.internal:8443:\(address)",
        "https://web.containers.internal:8443\(path)",
      ])
    }
    func serial() throws -> String {
      try Self.serial(
        agent.inside(["openssl", "s_client", "-connect", "\(address):8443", "-servername", "web"], input: "Q\n").output)
    }
    try agent.eventually("it serves") { try get("/").output == "hello over TLS\n" }
    let first = try serial()
    #expect(first.hasPrefix("serial="))
    #expect(try agent.cli("cert", "renew", try Self.identity(agent).agent).code == 0)
    try agent.eventually("it serves with the next") { try get("/").output == "hello over TLS\n" && serial() != first }
    #expect(try agent.view("web").restarts == 0)
  }

  @Test(.enabled(if: Examples.folder("redis") != nil, "needs the example redis: make examples"))
  func `redis does mutual TLS with it, and goes on with the next`() throws {
    let agent = try TestAgent()
    let folder = "\(agent.root)/redis"
    let copied = try Command.run(["cp", "-a", try #require(Examples.folder("redis")), folder], seconds: 60)
    #expect(copied.code == 0)
    let files =
      "--tls-cert-file /run/identity/tls.crt --tls-key-file /run/identity/tls.key --tls-ca-cert-file /run/identity/ca.crt"
    let command =
      ["/usr/bin/redis-server", "--port", "0", "--tls-port", "6379", "--save", ""]
      + files.split(separator: " ").map(String.init)
    // Redis reads its files again when it is told the same paths anew.
    let own =
      "/usr/bin/redis-cli -e --tls --cert /run/identity/tls.crt --key /run/identity/tls.key --cacert /run/identity/ca.crt"
    let reload = "\(own) config set tls-cert-file /run/identity/tls.crt tls-key-file /run/identity/tls.key"
    let list = { (words: [String]) in "[\(words.map { "\"\($0)\"" }.joined(separator: ", "))]" }
    let words = { (text: String) in text.split(separator: " ").map(String.init) }
    try FileSystem.replace(
      "\(folder)/bundle.yaml",
      with: Array(
        """
        name: redis-tls
        version: "7.0"
        user: "100:101"
        command: \(list(command))
        identity: {files: true, renewal: {command: \(list(words(reload)))}}
        endpoints: [{name: redis, port: 6379}]
        resources: {memory: 128MiB}

        """.utf8), mode: 0o644)
    #expect(try agent.cli("bundle", "import", folder, seconds: 120).code == 0)
    let run = try agent.cli("run", "--name", "web", "redis-tls")
    #expect(run.code == 0, "\(run)")
    func inside(_ call: String) throws -> String {
      try agent.cliList(["exec", "web"] + words("\(own) \(call)")).output.trimmingCharacters(
        in: .whitespacesAndNewlines)
    }
    try agent.eventually("it serves") { try inside("ping") == "PONG" }
    #expect(try inside("set key value") == "OK")
    let address = try #require(try agent.view("web").address)
    func serial() throws -> String {
      try Self.serial(agent.inside(["openssl", "s_client", "-connect", "\(address):6379"], input: "Q\n").output)
    }
    let first = try serial()
    #expect(first.hasPrefix("serial="))
    // Who shows no certificate gets no word out of it.
    let stranger = try agent.cliList(
      ["exec", "web"] + words("/usr/bin/redis-cli --tls --cacert /run/identity/ca.crt get key"))
    #expect(!stranger.output.contains("value"), "\(stranger)")
    #expect(try agent.cli("cert", "renew", try Self.identity(agent).agent).code == 0)
    try agent.eventually("it serves with the next") { try serial() != first && inside("get key") == "value" }
    #expect(try agent.view("web").restarts == 0)
  }
}
