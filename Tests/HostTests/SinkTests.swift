// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Events on their way to real servers.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct SinkTests {
  /// An HTTP server that writes the bodies that it gets to a file, a line each, and answers with what `status` says.
  private static func server(_ agent: TestAgent, _ port: Int) throws {
    try FileSystem.replace(
      "\(agent.root)/hook.pl",
      with: Array(
        """
        use Socket; $SIG{PIPE} = 'IGNORE';
        socket(my $s, PF_INET, SOCK_STREAM, 0); setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
        bind($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die "bind: $!"; listen($s, 100);
        while (accept(my $c, $s)) {
          my $text = ''; my $length;
          while (sysread($c, my $part, 65536)) {
            $text .= $part;
            $length = $1 if !defined $length && $text =~ /content-length: (\\d+)/i;
            last if $text =~ /\\r\\n\\r\\n(.*)/s && length($1) >= ($length // 0);
          }
          open(my $f, '<', '\(agent.root)/status'); my $status = <$f> || "200 OK"; chomp $status; close($f);
          if ($status =~ /^2/) {
            my ($body) = $text =~ /\\r\\n\\r\\n(.*)/s;
            open(my $o, '>>', "\(agent.root)/hook.$ARGV[0]"); print $o "$body\\n"; close($o);
          }
          syswrite($c, "HTTP/1.1 $status\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n"); close($c);
        }
        """.utf8), mode: 0o644)
    try agent.unit("hook\(port)", "command: [/usr/bin/perl, \(agent.root)/hook.pl, \"\(port)\"]")
  }

  private static func configure(_ agent: TestAgent, _ sinks: String) throws {
    try FileSystem.makeDirectories(agent.instance.configuration, mode: 0o755)
    try FileSystem.replace(agent.instance.sinks, with: Array(sinks.utf8), mode: 0o600)
    let result = try agent.cli("subsystem", "reload")
    guard result.code == 0 else { throw Command.Failure(description: "\(result)") }
  }

  private static func received(_ agent: TestAgent, _ file: String) -> String {
    (try? FileSystem.readText("\(agent.root)/\(file)", limit: 64 << 20)) ?? ""
  }

  @Test func `a webhook, a collector and syslog servers get what happens`() throws {
    let agent = try TestAgent()
    try Self.server(agent, 8091)
    try Self.server(agent, 8092)
    for (name, source) in [
      ("udp", "UDP4-RECV:5514,bind=127.0.0.1"), ("tcp", "TCP4-LISTEN:5515,bind=127.0.0.1,fork,reuseaddr"),
      ("unix", "UNIX-RECV:\(agent.root)/log.sock,mode=666"),
    ] {
      try agent.unit(
        name, "command: [/usr/bin/socat, -u, \"\(source)\", \"OPEN:\(agent.root)/\(name).log,creat,append\"]")
    }
    try Self.configure(
      agent,
      """
      - webhook: {url: "http://127.0.0.1:8091/events", headers: {Authorization: Bearer x}}
        kinds: [node]
      - otlp: "http://127.0.0.1:8092/v1/logs"
      - {name: near, syslog: "udp://127.0.0.1:5514"}
      - {name: far, syslog: "tcp://127.0.0.1:5515", severity: warning}
      - {name: local, syslog: "unix://\(agent.root)/log.sock"}
      """)
    // A datagram to nobody is lost.
    try agent.eventually("the servers listen") {
      let sockets = try agent.inside(["ss", "-lntuH"]).output
      return sockets.contains(":5514") && sockets.contains(":5515") && FileSystem.exists("\(agent.root)/log.sock")
    }
    #expect(try agent.cli("node", "mark-unavailable", "--reason", "a test").code == 0)
    #expect(try agent.cli("node", "mark-available").code == 0)
    for (file, text) in [
      ("hook.8091", "\"event\":\"unavailable\""), ("hook.8092", "\"stringValue\":\"unavailable\""),
      ("udp.log", "event=\"unavailable\""), ("unix.log", "event=\"unavailable\""),
      ("hook.8091", "\"event\":\"available\""),
    ] {
      try agent.eventually("\(file) has \(text)", seconds: 30) { Self.received(agent, file).contains(text) }
    }
    #expect(!Self.received(agent, "hook.8091").contains("\"kind\":\"subsystem\""))
    #expect(Self.received(agent, "udp.log").contains(" nodeagent "))
    try agent.unit("bad", "command: [/bin/false]\nrestart: never")
    _ = try agent.cli("subsystem", "reload")
    try agent.eventually("the failure is told over TCP", seconds: 30) {
      Self.received(agent, "tcp.log").contains("subsystem bad failed")
    }
    #expect(!Self.received(agent, "tcp.log").contains("event=\"available\""))
    let views = try agent.call(EventSinkMethods.list, node: true)
    // Tokens often stand in the path.
    #expect(views.contains { $0.address == "http://127.0.0.1:8091" }, "\(views)")
    let shown = try agent.cli("sinks")
    #expect(shown.code == 0 && shown.output.contains("webhook") && shown.output.contains("working"), "\(shown)")
  }

  @Test func `a dead server loses nothing, over deaths of the agent's parts, too`() throws {
    let agent = try TestAgent()
    try Self.server(agent, 8093)
    try FileSystem.replace("\(agent.root)/status", with: Array("503 Later\n".utf8), mode: 0o644)
    try Self.configure(agent, "- {name: hook, webhook: \"http://127.0.0.1:8093/\", kinds: [node]}\n")
    func change(_ number: Int) throws {
      #expect(try agent.cli("node", "mark-unavailable", "--reason", "reason-\(number)-").code == 0)
      #expect(try agent.cli("node", "mark-available").code == 0)
    }
    for number in 0..<5 { try change(number) }
    try agent.eventually("it is told to fail", seconds: 30) {
      let view = try agent.call(EventSinkMethods.list, node: true).first
      return view?.state == "failing" && view?.failure?.contains("status 503") ?? false
    }
    try agent.killNodeController()
    try agent.startDaemon()
    try Pidfd(opening: agent.subsystemPID("monitor")).signal(SIGKILL)
    for number in 5..<8 { try change(number) }
    try FileSystem.remove("\(agent.root)/status")
    try agent.eventually("all are there", seconds: 90) {
      let text = Self.received(agent, "hook.8093")
      return (0..<8).allSatisfy { text.contains("reason-\($0)-") }
    }
    // In their order, and each once: it had taken none of them before.
    let text = Self.received(agent, "hook.8093")
    var last = text.startIndex
    for number in 0..<8 {
      let found = try #require(text.firstRange(of: "reason-\(number)-"))
      #expect(found.lowerBound >= last)
      last = found.lowerBound
      #expect(text.ranges(of: "reason-\(number)-").count == 1)
    }
    try agent.eventually("it is told to work") {
      try agent.call(EventSinkMethods.list, node: true).first?.state == "working"
    }
    let events = try agent.cli("events", "--kind", "events").output
    #expect(events.contains("sink failing") && events.contains("sink working"), "\(events)")
  }

  @Test(arguments: [
    ("- {syslog: \"tcp://localhost:1\"}", "must be udp://ADDRESS:PORT"), ("- {webhook: \"ftp://x\"}", "must be a URL"),
    ("- {}", "needs exactly one of webhook, otlp, syslog, journald"),
    ("- {journald: true, otlp: \"http://x\"}", "needs exactly one"), ("- {journald: false}", "leave the sink out"),
    ("- {journald: true}\n- {journald: true}", "which another sink has"),
    ("- {journald: true, severity: loud}", "severity"),
  ])
  func `an error in its file is told with its line, and changes nothing`(text: String, words: String) throws {
    let agent = try TestAgent()
    try FileSystem.makeDirectories(agent.instance.configuration, mode: 0o755)
    try FileSystem.replace(agent.instance.sinks, with: Array(text.utf8), mode: 0o600)
    let result = try agent.cli("subsystem", "reload")
    #expect(result.code == 1)
    #expect(result.error.contains("sinks.yaml") && result.error.contains(words), "\(result)")
    #expect(try agent.call(EventSinkMethods.list, node: true).isEmpty)
  }
}
