// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// The containers' network: several nodes, ranges of ports, limits of bandwidth, and what is shown of it.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct NetworkTests {
  private static func status(_ agent: TestAgent) throws -> NetworkMethods.Status {
    try agent.call(NetworkMethods.status, node: true)
  }

  private static func write(_ agent: TestAgent, _ text: String) throws {
    try FileSystem.makeDirectories(agent.instance.configuration, mode: 0o755)
    try FileSystem.replace(agent.instance.network, with: Array(text.utf8), mode: 0o644)
  }

  private static func asks(_ agent: TestAgent, from container: String, _ address: String, _ port: Int) throws -> Bool {
    try agent.cli(
      "exec", container, "--", "/bin/sh", "-c",
      "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 \(address) \(port) | grep -q 200"
    ).code == 0
  }

  /// A node with a container that serves one port for the cluster and one for the node.
  private static func serve(_ agent: TestAgent) throws {
    try agent.importBusybox(
      name: "net", command: "[/bin/sh, -c, \"httpd -p 80 -h /data; exec httpd -f -p 81 -h /data\"]",
      """
      endpoints:
        - {name: shared, port: 80, scope: cluster, publish: 0}
        - {name: own, port: 81, scope: node, publish: 0}
        - {name: hidden, port: 82, scope: cluster}
      """
    ) { try FileSystem.replace("\($0)/data/index.html", with: Array("hello".utf8), mode: 0o644) }
    let started = try agent.cli("run", "--name", "web", "net")
    #expect(started.code == 0, "\(started)")
  }

  @Test(arguments: [NetworkPeer.Way.route, .vxlan])
  func `containers of two nodes reach each other's cluster endpoints`(way: NetworkPeer.Way) throws {
    let (one, two) = (try TestAgent(), try TestAgent())
    try one.link(
      to: two, name: "lan0", near: ["192.0.2.1/24", "2001:db8:2::1/64"], far: ["192.0.2.2/24", "2001:db8:2::2/64"])
    for agent in [one, two] { try Self.serve(agent) }
    for (agent, other, address) in [(one, two, 2), (two, one, 1)] {
      let known = try Self.status(other)
      let added = try agent.cli(
        "network", "peer", "add", "other", "--address", "192.0.2.\(address)", "--address6", "2001:db8:2::\(address)",
        "--pool", known.pool, "--pool6", try #require(known.pool6), "--via", way.rawValue)
      #expect(added.code == 0, "\(added)")
    }
    let view = try two.view("web")
    let (address, address6) = (try #require(view.address), try #require(view.address6))
    let port = try #require(view.endpoints.first { $0.name == "shared" }?.hostPort)
    let own = try #require(view.endpoints.first { $0.name == "own" }?.hostPort)
    func check(_ moment: String) throws {
      for place in [address, address6] {
        #expect(try Self.asks(one, from: "web", place, 80), "\(moment): \(place)")
        #expect(try !Self.asks(one, from: "web", place, 81), "\(moment): \(place) of scope node")
      }
      // At the node's own address, too.
      #expect(try Self.asks(one, from: "web", "192.0.2.2", Int(port)), "\(moment)")
      #expect(try !Self.asks(one, from: "web", "192.0.2.2", Int(own)), "\(moment)")
      #expect(try one.inside(["curl", "-s", "--max-time", "3", "http://\(address)/"]).output == "hello", "\(moment)")
    }
    try check("at first")
    // The caller's own address arrives.
    let tracked = try two.inside(["sh", "-c", "cat /proc/net/nf_conntrack 2>/dev/null || true"]).output
    let caller = try #require(try one.view("web").address)
    #expect(tracked.isEmpty || tracked.contains("src=\(caller) dst=\(address)"))
    // The link is cut, and with it the kernel's routes go.
    #expect(try one.inside(["ip", "link", "set", "lan0", "down"]).code == 0)
    #expect(try !Self.asks(one, from: "web", address, 80))
    if way == .route {
      try one.eventually("it is said") { try one.cli("network").output.contains("is in no network of this node") }
    }
    try one.killNodeController()
    #expect(try one.inside(["ip", "link", "set", "lan0", "up"]).code == 0)
    #expect(try one.inside(["ip", "addr", "add", "2001:db8:2::1/64", "dev", "lan0", "nodad"]).code == 0)
    try one.startDaemon()
    try one.eventually("it heals") { try Self.asks(one, from: "web", address, 80) }
    try one.eventually("IPv6, too") { try Self.asks(one, from: "web", address6, 80) }
    try check("after a cut")
    if try one.inside(["tc", "qdisc", "add", "dev", "lan0", "root", "netem", "delay", "300ms"]).code == 0 {
      try check("with a delay of 300 ms")
    }
    let removed = try one.cli("network", "peer", "rm", "other")
    #expect(removed.code == 0, "\(removed)")
    #expect(try !Self.asks(one, from: "web", address, 80))
    #expect(try !one.inside(["ip", "route"]).output.contains("proto 110"))
    #expect(try one.inside(["ip", "link", "show", "type", "vxlan"]).output.isEmpty)
    // Nobody else gets in by the VXLAN's port, nor by an address of a peer that is gone.
    #expect(try !Self.asks(two, from: "web", try #require(try one.view("web").address), 80))
  }

  @Test func `peers that cannot be are refused, and pools of the file are used`() throws {
    let agent = try TestAgent()
    let pool = try Self.status(agent).pool
    func add(_ arguments: String...) throws -> Command { try agent.cliList(["network", "peer", "add"] + arguments) }
    for (result, words) in [
      (try add("b", "--address", "192.0.2.2", "--pool", pool), "overlaps with this node's own"),
      (try add("b", "--address", "x", "--pool", "10.1.0.0/16"), "an address or a pool that is none"),
      (try add("../b", "--address", "192.0.2.2", "--pool", "10.1.0.0/16"), "a name that is none"),
      (try agent.cli("network", "peer", "rm", "b"), "there is no peer b"),
    ] {
      #expect(result.code != 0 && result.error.contains(words), "\(result)")
    }
    #expect(try add("b", "--address", "192.0.2.2", "--pool", "10.1.0.0/16").code == 0)
    let twice = try add("b", "--address", "192.0.2.3", "--pool", "10.2.0.0/16")
    #expect(twice.code != 0 && twice.error.contains("twice"), "\(twice)")
    // It is remembered, and says why it is not reached: this node has no such network.
    try agent.killNodeController()
    try agent.startDaemon()
    let problem = try #require(try Self.status(agent).peers.first?.problem)
    #expect(problem.contains("192.0.2.2 is in no network of this node"), "\(problem)")
    try Self.write(agent, "pool: 10.1.0.0/24\npeers: [{name: b, address: 192.0.2.2, pool: 10.3.0.0/16}]")
    let conflict = try agent.cli("network", "apply")
    #expect(conflict.code != 0 && conflict.error.contains("twice"), "\(conflict)")
    try Self.write(agent, "pool: 10.200.7.0/28\npool6: \"fd00:7::/64\"")
    #expect(try agent.cli("network", "apply").code == 0)
    #expect(try agent.cli("network").output.contains("network.yaml says 10.200.7.0/28"))
    #expect(try agent.cli("network", "peer", "rm", "b").code == 0)
    // Its bridge goes with it, and the next has the new pool.
    agent.endDaemon(keepContainers: false)
    try agent.startDaemon()
    try agent.importBusybox()
    #expect(try agent.cli("run", "--name", "a", "bb").code == 0)
    let view = try agent.view("a")
    #expect(view.address?.hasPrefix("10.200.7.") ?? false && view.address6?.hasPrefix("fd00:7::") ?? false, "\(view)")
  }

  @Test func `ranges of ports are published, and what endpoints moved is counted`() throws {
    let agent = try TestAgent()
    let peer = try TestPeer(agent, name: "inet0", near: ["198.51.100.1/24"], far: ["198.51.100.2/24"])
    try agent.importBusybox(
      name: "net", command: "[/bin/sh, -c, \"httpd -p 5000 -h /data; exec httpd -f -p 5002 -h /data\"]",
      """
      endpoints:
        - {name: media, port: 5000-5002, scope: internet, publish: 7000}
        - {name: own, port: 5000, scope: node, publish: 7100}
      """
    ) { try FileSystem.replace("\($0)/data/index.html", with: Array("hello".utf8), mode: 0o644) }
    #expect(try agent.cli("run", "--name", "a", "net").code == 0)
    func get(_ port: Int) throws -> Bool {
      try peer.run(["curl", "-s", "--max-time", "2", "http://198.51.100.1:\(port)/"]).output == "hello"
    }
    #expect(try get(7000) && get(7002))
    // Nobody listens there inside, nothing of it is published, and it is not for everybody.
    #expect(try !get(7001) && !get(7003) && !get(7100))
    #expect(try agent.cli("ps").output.contains("7000-7002"))
    let second = try agent.cli("run", "--name", "b", "--publish", "media=6998", "--publish", "own=0", "net")
    #expect(second.code != 0 && second.error.contains("7000/tcp"), "\(second)")
    let endpoints = try #require(try Self.status(agent).containers.first).endpoints
    let (media, own) = (try #require(endpoints.first), try #require(endpoints.last))
    #expect(media.receivedPackets >= 6 && media.receivedBytes > 300 && media.sentBytes > 300, "\(media)")
    #expect(media.refusedPackets == 0 && own.refusedPackets >= 1 && media.count == 3, "\(endpoints)")
    let shown = try agent.cli("network", "inspect", "a")
    for words in ["5000-5002/tcp", "7000-7002", "media", "fd"] { #expect(shown.output.contains(words), "\(shown)") }
    #expect(try agent.cli("network", "inspect", "none").code == 4)
    try agent.eventually("the metrics have it") {
      try agent.cli("metrics").output.split(separator: "\n").contains {
        $0.hasPrefix("nodeagent_endpoint_receive_bytes_total{") && $0.contains("endpoint=\"media\"")
          && !$0.hasSuffix(" 0")
      }
    }
    #expect(try agent.cli("rm", "--force", "a").code == 0)
    let table = try agent.inside(["nft", "list", "table", "inet", "nodeagent-\(agent.instance.id)"]).output
    #expect(!table.contains("elements"), "\(table)")
  }

  @Test func `datagrams reach a published endpoint, and the answers come back`() throws {
    let agent = try TestAgent()
    let peer = try TestPeer(
      agent, name: "inet0", near: ["198.51.100.1/24", "2001:db8:1::1/64"],
      far: ["198.51.100.2/24", "2001:db8:1::2/64"])
    try agent.importBusybox(
      name: "net", "endpoints: [{name: echo, protocol: udp, port: 5353, scope: internet, publish: 7053}]")
    #expect(try agent.cli("run", "--name", "a", "net").code == 0)
    // The image has no program that speaks UDP: one of the host's does, in the container's network.
    let pid = try #require(try agent.view("a").pid)
    let serve = """
      use Socket qw(:DEFAULT inet_pton);
      socket(my $six, PF_INET6, SOCK_DGRAM, 0); setsockopt($six, 41, 26, 1);
      bind($six, sockaddr_in6(5353, inet_pton(AF_INET6, '::'))) or die;
      socket(my $four, PF_INET, SOCK_DGRAM, 0); bind($four, sockaddr_in(5353, INADDR_ANY)) or die;
      open(my $ready, '>', '\(agent.root)/ready'); close($ready);
      my $both = ''; vec($both, fileno($_), 1) = 1 for $four, $six;
      while (select(my $now = $both, undef, undef, 300) > 0) {
        for (['four', $four], ['six', $six]) {
          my ($name, $s) = @$_; next unless vec($now, fileno($s), 1);
          my $from = recv($s, my $text, 500, 0); send($s, "$name $text", 0, $from);
        }
      }
      """
    let started = try Command.run([
      "sh", "-c", "nsenter --net=/proc/\(pid)/ns/net perl -e \"$0\" >/dev/null 2>&1 & echo $!", serve,
    ])
    let server = try #require(Int32(started.output.filter(\.isNumber)))
    defer { kill(server, SIGKILL) }
    try agent.eventually("it is bound") { FileSystem.exists("\(agent.root)/ready") }
    let ask = """
      use Socket qw(:DEFAULT inet_pton); $SIG{ALRM} = sub { exit 1 }; alarm 3; my ($family, $address) = @ARGV;
      socket(my $s, $family == 6 ? PF_INET6 : PF_INET, SOCK_DGRAM, 0);
      my $to = $family == 6 ? sockaddr_in6(7053, inet_pton(AF_INET6, $address)) : sockaddr_in(7053, inet_aton($address));
      send($s, 'hello', 0, $to); recv($s, my $text, 500, 0); print $text
      """
    for (family, address, answer) in [
      ("4", "198.51.100.1", "four hello"), ("6", "2001:db8:1::1", "six hello"),
    ] {
      try agent.eventually("an answer at \(address)") {
        try peer.run(["perl", "-e", ask, family, address]).output == answer
      }
      #expect(try agent.inside(["perl", "-e", ask, family, address]).output == answer)
    }
    let endpoint = try #require(try Self.status(agent).containers.first?.endpoints.first)
    #expect(endpoint.receivedPackets >= 4 && endpoint.sentPackets >= 4, "\(endpoint)")
  }

  @Test func `a container receives and sends no faster than it may`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(
      name: "net", command: "[/bin/sleep, \"1000\"]",
      "endpoints: [{name: in, port: 90, publish: 9100}]\nresources: {receive: 8Mbit, send: 16Mbit}")
    let started = try agent.cli("run", "--name", "a", "net")
    #expect(started.code == 0, "\(started)")
    let limited = try #require(try Self.status(agent).containers.first)
    #expect(limited.receiveLimit == 1_000_000 && limited.sendLimit == 2_000_000)
    func seconds(_ body: () throws -> Command) throws -> Double {
      let begun = Clock.monotonicNanoseconds()
      let result = try body()
      #expect(result.output.contains("3000000"), "\(result)")
      return Double(Clock.monotonicNanoseconds() - begun) / 1e9
    }
    // 3 MB in each direction: what the buckets hold goes at once, the rest at the rate.
    let sending = try seconds {
      try agent.inside([
        "bash", "-c",
        """
        (until exec 3<>/dev/tcp/127.0.0.1/9100; do sleep 0.2; done 2>/dev/null; cat <&3 | wc -c) &
        \(agent.programs)/nodeagent exec a -- /bin/sh -c 'head -c 3000000 /dev/zero | nc -l -p 90'
        wait
        """,
      ])
    }
    #expect(sending >= 1.2, "3 MB at 2 MB/s took \(sending) s")
    let receiving = try seconds {
      try agent.inside([
        "bash", "-c",
        """
        (until exec 3<>/dev/tcp/127.0.0.1/9100; do sleep 0.2; done 2>/dev/null; head -c 3000000 /dev/zero >&3; exec 3>&-) &
        \(agent.programs)/nodeagent exec a -- /bin/sh -c 'nc -l -p 90 | wc -c'
        wait
        """,
      ])
    }
    #expect(receiving >= 2.4, "3 MB at 1 MB/s took \(receiving) s")
    #expect(try agent.cli("run", "--name", "b", "--receive-rate", "1bit", "net").code != 0)
    // One whose start fails half-way leaves nothing: the port of the node is taken.
    #expect(try agent.cli("run", "--name", "b", "net").error.contains("9100/tcp"))
    let devices = try agent.inside(["ip", "-o", "link", "show", "type", "ifb"]).output
    #expect(devices.split(separator: "\n").count == 1, "\(devices)")
    #expect(try agent.cli("rm", "--force", "a").code == 0)
    #expect(try agent.inside(["ip", "link", "show", "type", "ifb"]).output.isEmpty)
  }
}
