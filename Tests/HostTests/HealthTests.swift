// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Real services under the agent that fail in the ways in which services fail.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct HealthTests {
  /// A web server of a few lines: answers with the file `status`, and its log says when it began.
  private static func web(_ agent: TestAgent, _ checks: String, restart: String = "always") throws {
    try FileSystem.replace(
      "\(agent.root)/web.pl",
      with: Array(
        """
        use Socket; $| = 1;
        socket(my $s, PF_INET, SOCK_STREAM, 0); setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
        bind($s, sockaddr_in(8077, INADDR_LOOPBACK)) or die "bind: $!"; listen($s, 100); print "serving\\n";
        while (accept(my $c, $s)) {
          sysread($c, my $request, 8192);
          open(my $f, '<', '\(agent.root)/status'); my $status = <$f> || "200 OK"; chomp $status; close($f);
          syswrite($c, "HTTP/1.1 $status\\r\\nContent-Length: 5\\r\\n\\r\\nhello"); close($c);
        }
        """.utf8), mode: 0o644)
    try agent.unit(
      "web",
      "command: [/usr/bin/perl, \(agent.root)/web.pl]\nstop: {timeout: 500ms}\nrestart: \(restart)\nchecks:\n\(checks)")
    let result = try agent.cli("subsystem", "reload")
    guard result.code == 0 else { throw Command.Failure(description: "\(result)") }
  }

  private static func http(interval: String = "200ms", timeout: String = "3s") -> String {
    """
      - name: answers
        http: {url: "http://127.0.0.1:8077/", body: hello}
        interval: \(interval)
        timeout: \(timeout)
        fall: 2
    """
  }

  private static func health(_ agent: TestAgent, _ check: String) throws -> HealthView? {
    try agent.call(HealthMethods.list, .init(), node: true).first { $0.name == check }
  }

  private static func wait(_ agent: TestAgent, _ check: String, _ state: HealthState, seconds: Double = 30) throws {
    try agent.eventually("\(check) is \(state)", seconds: seconds) { try health(agent, check)?.state == state }
  }

  @Test(arguments: TestBackend.available) func `an answer that goes wrong is noticed, told, and told to be over`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try Self.web(agent, Self.http())
    try Self.wait(agent, "answers", .healthy)
    #expect(try agent.cli("health").code == 0)
    let pid = try agent.subsystem("web").pid
    try FileSystem.replace("\(agent.root)/status", with: Array("500 Broken\n".utf8), mode: 0o644)
    try Self.wait(agent, "answers", .unhealthy)
    let shown = try agent.cli("health", "web")
    #expect(shown.code == 5)
    #expect(shown.output.contains("status 500, not 200-299 -> an event tells of it"), "\(shown)")
    #expect(try agent.subsystem("web").health == .unhealthy)
    try FileSystem.remove("\(agent.root)/status")
    try Self.wait(agent, "answers", .healthy)
    #expect(try agent.subsystem("web").pid == pid)
    let events = try agent.cli("events", "--kind", "health").output
    #expect(events.contains("health web  unhealthy: answers: status 500, not 200-299"), "\(events)")
    #expect(try agent.cli("health", "--history", "web").output.contains("unhealthy: status 500"))
  }

  @Test(arguments: TestBackend.available) func `one that hangs is restarted`(backend: TestBackend) throws {
    let agent = try TestAgent(backend)
    try Self.web(agent, Self.http() + "\n    actions: [restart]")
    try Self.wait(agent, "answers", .healthy)
    let pid = try #require(try agent.subsystem("web").pid)
    kill(pid, SIGSTOP)
    try agent.eventually("a new process", seconds: 40) {
      let view = try agent.subsystem("web")
      return view.state == .available && view.pid != pid
    }
    try Self.wait(agent, "answers", .healthy)
    #expect(kill(pid, 0) < 0)
    // Where its last look was at a connection that nobody accepts any more, it is that.
    let events = try agent.cli("events").output
    #expect(
      events.contains("unhealthy: answers: no whole answer in time")
        || events.contains("unhealthy: answers: no connection within"), "\(events)")
  }

  @Test func `actions escalate until one is stopped`() throws {
    let agent = try TestAgent()
    try FileSystem.replace("\(agent.root)/status", with: Array("503 Never\n".utf8), mode: 0o644)
    try Self.web(
      agent,
      Self.http(interval: "2s")
        + "\n    actions: [{run: [/bin/sh, -c, \"echo ran > \(agent.root)/ran\"]}, restart, stop]\n    rise: 1")
    try agent.eventually("the command was run", seconds: 30) { FileSystem.exists("\(agent.root)/ran") }
    // It gets well and ill again: the next step is due.
    for _ in 0..<2 {
      try FileSystem.remove("\(agent.root)/status")
      try Self.wait(agent, "answers", .healthy)
      let pid = try agent.subsystem("web").pid
      try FileSystem.replace("\(agent.root)/status", with: Array("503 Never\n".utf8), mode: 0o644)
      try agent.eventually("the next step", seconds: 30) { try agent.subsystem("web").pid != pid }
    }
    try agent.eventually("it is stopped") { try agent.subsystem("web").state == .stopped }
    #expect(try Self.health(agent, "answers")?.state == .idle)
  }

  @Test(arguments: TestBackend.available) func `each kind of check tells what it sees`(backend: TestBackend) throws {
    let agent = try TestAgent(backend)
    let file = "\(agent.root)/backup"
    try FileSystem.replace(file, with: [], mode: 0o644)
    try Self.web(
      agent,
      """
        - {process: true, interval: 200ms}
        - {tcp: "127.0.0.1:8077", interval: 200ms}
        - {unix: "\(agent.root)/none.sock", interval: 200ms, fall: 1}
        - {name: old, file: {path: \(file), age: 1h}, interval: 200ms, fall: 1}
        - {name: small, resources: {memory: 1KiB}, interval: 200ms, fall: 1}
        - {name: narrow, resources: {files: 1}, interval: 200ms, fall: 1}
        - {name: roomy, resources: {memory: 1GiB, files: 1000, cpu: 2, restarts: 5}, interval: 200ms}
        - {name: fine, command: [/bin/sh, -c, "echo all is well"], timeout: 10s, interval: 1s}
        - {name: bad, command: [/bin/sh, -c, "echo not well; exit 4"], timeout: 10s, interval: 1s, fall: 1}
        - {name: stuck, command: [/bin/sleep, "100"], timeout: 2s, interval: 3s, fall: 1}
      """)
    for name in ["process", "tcp", "old", "roomy", "fine"] { try Self.wait(agent, name, .healthy) }
    for name in ["unix", "small", "narrow", "bad", "stuck"] { try Self.wait(agent, name, .unhealthy) }
    #expect(try Self.health(agent, "fine")?.output == "all is well")
    #expect(try Self.health(agent, "bad")?.output?.contains("not well") ?? false)
    let stuck = try Self.health(agent, "stuck")?.output
    #expect(stuck?.contains("did not end within 2000 ms") ?? false, "\(String(describing: stuck))")
    #expect(try Self.health(agent, "small")?.output?.contains("MiB is over 0.0 MiB") ?? false)
    #expect(try Self.health(agent, "narrow")?.output?.contains("files 4 is over 1") ?? false)
    var times = [timespec(tv_sec: 1000, tv_nsec: 0), timespec(tv_sec: 1000, tv_nsec: 0)]
    utimensat(AT_FDCWD, file, &times, 0)
    try Self.wait(agent, "old", .unhealthy)
  }

  @Test func `a node that is cut off does not restart what it cannot reach`() throws {
    let agent = try TestAgent()
    try FileSystem.makeDirectories(agent.instance.configuration, mode: 0o755)
    try FileSystem.replace(
      agent.instance.nodeChecks,
      with: Array(
        "- {name: far, reach: {addresses: [\"192.0.2.1:9\"], minimum: 1}, interval: 200ms, timeout: 150ms, fall: 1}\n"
          .utf8),
      mode: 0o644)
    #expect(try agent.cli("subsystem", "reload").output.contains("update node  its checks have changed"))
    #expect(try agent.cli("subsystem", "reload").output == "nothing to do\n")
    try Self.web(
      agent,
      "  - {name: peer, tcp: \"192.0.2.2:9\", interval: 200ms, timeout: 150ms, fall: 5, arbiter: far, actions: [restart]}"
    )
    try Self.wait(agent, "far", .unhealthy)
    let pid = try agent.subsystem("web").pid
    try Self.wait(agent, "peer", .unhealthy)
    usleep(1_500_000)
    #expect(try agent.subsystem("web").pid == pid)
    #expect(try agent.cli("events").output.contains("but this node itself is cut off"))
  }

  @Test func `under maintenance nothing is checked or restarted`() throws {
    let agent = try TestAgent()
    try Self.web(agent, Self.http(timeout: "1s") + "\n    actions: [restart]")
    try Self.wait(agent, "answers", .healthy)
    #expect(try agent.cli("health", "maintenance", "on", "web").code == 0)
    let pid = try #require(try agent.subsystem("web").pid)
    kill(pid, SIGSTOP)
    usleep(1_500_000)
    #expect(try agent.subsystem("web").pid == pid)
    #expect(try Self.health(agent, "answers")?.state == .maintenance)
    kill(pid, SIGCONT)
    try agent.killNodeController()
    try agent.startDaemon()
    #expect(try Self.health(agent, "answers")?.state == .maintenance)
    #expect(try agent.cli("health", "maintenance", "off", "web").code == 0)
    try Self.wait(agent, "answers", .healthy)
    #expect(try agent.cli("health", "maintenance", "on", "nothing").code == 4)
  }

  @Test func `checks outlive the monitor and the node controller`() throws {
    let agent = try TestAgent()
    try Self.web(agent, Self.http())
    try Self.wait(agent, "answers", .healthy)
    try Pidfd(opening: agent.subsystemPID("monitor")).signal(SIGKILL)
    try FileSystem.replace("\(agent.root)/status", with: Array("500 Broken\n".utf8), mode: 0o644)
    try Self.wait(agent, "answers", .unhealthy)
    try agent.killNodeController()
    try agent.startDaemon()
    try Self.wait(agent, "answers", .unhealthy)
    try FileSystem.remove("\(agent.root)/status")
    try Self.wait(agent, "answers", .healthy)
  }

  @Test func `the monitor has no privilege, and no way to the other sockets`() throws {
    let agent = try TestAgent()
    let pid = agent.subsystemPID("monitor")
    let status = try FileSystem.readText("/proc/\(pid)/status")
    for line in ["CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
      #expect(status.contains(line), "\(status)")
    }
    let uid = try #require(status.split(separator: "\n").first { $0.hasPrefix("Uid:") }?.split(separator: "\t").last)
    #expect(uid != "0")
    for socket in [agent.instance.nodeSocket, agent.instance.containerSocket] {
      let result = try agent.inside([
        "setpriv", "--reuid=\(uid)", "--regid=\(uid)", "--clear-groups", "/usr/bin/perl", "-MSocket", "-e",
        "socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, pack_sockaddr_un('\(socket)')) and exit 0; print $!; exit 1",
      ])
      #expect(result.output == "Permission denied", "\(result)")
    }
  }

  @Test func `a change of the checks takes effect without a restart`() throws {
    let agent = try TestAgent()
    try Self.web(agent, Self.http())
    try Self.wait(agent, "answers", .healthy)
    let pid = try agent.subsystem("web").pid
    try Self.web(agent, "  - {name: other, tcp: \"127.0.0.1:8077\", interval: 200ms}")
    try Self.wait(agent, "other", .healthy)
    #expect(try Self.health(agent, "answers") == nil)
    #expect(try agent.subsystem("web").pid == pid)
    let bad = try agent.cli("subsystem", "reload")
    #expect(bad.code == 0)
    try agent.unit("web", "command: [/usr/bin/perl, x]\nchecks: [{tcp: nowhere}]")
    #expect(try agent.cli("subsystem", "reload").error.contains("checks[0].tcp: must be ADDRESS:PORT"))
  }
}
