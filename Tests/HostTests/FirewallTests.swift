// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Who reaches what: from hosts that play the internet and the cluster, from the node, and from a container.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct FirewallTests {
  private static let node4 = ["internet": "198.51.100.1", "cluster": "10.20.0.1"]
  private static let node6 = ["internet": "2001:db8:1::1", "cluster": "fd20::1"]
  /// Ports of the node by scope, one that nothing names, and the ports that a container publishes.
  private static let hostPorts = ["node": 8001, "cluster": 8002, "internet": 8003, "none": 8004]
  private static let containerPorts = ["node": 9001, "cluster": 9002, "internet": 9003]

  private static let policy = """
    cluster: [10.20.0.0/16, "fd20::/16"]
    endpoints:
      - {name: own, port: 8001, scope: node}
      - {name: shared, ports: 8002-8002, scope: cluster}
      - {name: public, port: 8003, scope: internet}
      - {name: range, ports: 7000-7010, scope: cluster, rate: 1000/second}
    """

  private struct Site {
    let agent: TestAgent
    let internet: TestPeer
    let cluster: TestPeer
    let servers: HeldServers
  }

  /// Web servers on the node, ended with it.
  private final class HeldServers {
    private let agent: TestAgent
    private let pids: [Int32]
    init(_ agent: TestAgent, _ ports: [Int]) throws {
      self.agent = agent
      // Detached, so that the shell ends.
      let script = ports.map { "busybox httpd -f -p \($0) -h \(agent.root)/www >/dev/null 2>&1 & echo $!;" }
      mkdir("\(agent.root)/www", 0o755)
      try FileSystem.replace("\(agent.root)/www/index.html", with: Array("node".utf8), mode: 0o644)
      let result = try agent.inside(["sh", "-c", script.joined()])
      pids = result.output.split(separator: "\n").compactMap { Int32($0) }
    }
    deinit { for pid in pids { kill(pid, SIGKILL) } }
  }

  private static func write(_ agent: TestAgent, _ policy: String) throws {
    try FileSystem.makeDirectories(agent.instance.configuration, mode: 0o755)
    try FileSystem.replace(agent.instance.firewall, with: Array(policy.utf8), mode: 0o644)
  }

  private static func site(_ policy: String = policy) throws -> Site {
    let agent = try TestAgent()
    let internet = try TestPeer(
      agent, name: "inet0", near: ["198.51.100.1/24", "2001:db8:1::1/64"], far: ["198.51.100.2/24", "2001:db8:1::2/64"])
    let cluster = try TestPeer(
      agent, name: "clus0", near: ["10.20.0.1/24", "fd20::1/64"], far: ["10.20.0.2/24", "fd20::2/64"])
    let servers = try HeldServers(agent, hostPorts.values.sorted())
    try write(agent, policy)
    let applied = try agent.cli("firewall", "apply")
    #expect(applied.code == 0, "\(applied)")
    try agent.importBusybox(
      name: "web", command: "[/bin/httpd, -f, -p, \"80\", -h, /data]",
      """
      endpoints:
        - {name: own, port: 80, scope: node, publish: 9001}
        - {name: shared, port: 80, scope: cluster, publish: 9002}
        - {name: public, port: 80, scope: internet, publish: 9003}
      """
    ) { try FileSystem.replace("\($0)/data/index.html", with: Array("container".utf8), mode: 0o644) }
    let started = try agent.cli("run", "--name", "web", "web")
    #expect(started.code == 0, "\(started)")
    return Site(agent: agent, internet: internet, cluster: cluster, servers: servers)
  }

  /// Those of the URLs that answer, asked all at the same time.
  private static func answering(_ urls: [String], _ run: ([String]) throws -> Command, tool: String = "curl") throws
    -> Set<String>
  {
    let ask = { (url: String) in
      // The container has no curl, and busybox's own wget does not get along with ports.
      let place = url.dropFirst("http://".count).dropLast()
      let port = place.lastIndex(of: ":") ?? place.endIndex
      let target = "\(place[..<port].filter { $0 != "[" && $0 != "]" }) \(place[port...].dropFirst())"
      return tool == "curl"
        ? "curl -g -s -f -o /dev/null --max-time 3 '\(url)'"
        : "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 \(target) | grep -q 200"
    }
    let script = urls.map { "(\(ask($0)) && echo '\($0)') &" }.joined(separator: " ") + " wait"
    return Set(try run(["sh", "-c", script]).output.split(separator: "\n").map(String.init))
  }

  /// Every pair of a source and an endpoint, both families: exactly what the scopes say.
  private static func check(_ site: Site, _ moment: String, policyOnly: Bool = false) throws {
    func urls(_ address: String) -> [String: String] {
      var all: [String: String] = [:]
      for (scope, port) in hostPorts { all["host/\(scope)"] = "http://\(address):\(port)/" }
      for (scope, port) in containerPorts { all["container/\(scope)"] = "http://\(address):\(port)/" }
      return all
    }
    func expect(_ source: String, _ address: String, _ expected: Set<String>, _ found: Set<String>) {
      let named = Set(urls(address).filter { found.contains($0.value) }.keys)
      #expect(named == expected, "\(moment): from \(source) to \(address)")
    }
    let hosts: [(TestPeer, String, Set<String>)] = [
      (site.internet, "internet", ["host/internet", "host/none", "container/internet"]),
      (
        site.cluster, "cluster",
        ["host/internet", "host/cluster", "host/none", "container/internet", "container/cluster"]
      ),
    ]
    for (peer, name, expected) in hosts {
      let near4 = node4[name] ?? ""
      let near6 = "[\(node6[name] ?? "")]"
      let found = try answering(
        Array(urls(near4).values) + Array(urls(near6).values), { try peer.run($0) })
      expect(name, near4, expected, found)
      expect(name, near6, expected, found)
    }
    let all = Set(urls("").keys)
    let found = try answering(
      ["127.0.0.1", "[::1]", "198.51.100.1", "[2001:db8:1::1]"].flatMap { urls($0).values },
      { try site.agent.inside($0) })
    for address in ["127.0.0.1", "198.51.100.1", "[2001:db8:1::1]"] { expect("the node", address, all, found) }
    // Linux leads nothing away from IPv6's loopback.
    expect("the node", "[::1]", all.filter { $0.hasPrefix("host") }, found)
    guard !policyOnly else { return }
    let inside = try answering(
      ["198.51.100.1", "[2001:db8:1::1]"].flatMap { urls($0).values },
      { try site.agent.cliList(["exec", "web", "--"] + $0) }, tool: "nc")
    for address in ["198.51.100.1", "[2001:db8:1::1]"] {
      expect("a container", address, all.filter { $0.hasPrefix("container") }, inside)
    }
  }

  @Test func `each scope reaches exactly what it should, over deaths of both controllers`() throws {
    let site = try Self.site()
    try Self.check(site, "before")
    try site.agent.killNodeController()
    try Self.check(site, "while no node controller lives", policyOnly: true)
    try site.agent.startDaemon()
    try Self.check(site, "after")
    try site.agent.killContainerController()
    try Self.check(site, "after the container controller's death")
    let listed = try site.agent.cli("firewall").output
    for words in ["own", "8001/tcp", "shared", "web/public", "9003/tcp", "10.20.0.0/16"] {
      #expect(listed.contains(words), "\(listed)")
    }
    // The way out, and no way in but by an endpoint.
    let server = try site.internet.run(
      ["sh", "-c", "busybox httpd -f -p 80 -h \(site.agent.root)/www >/dev/null 2>&1 & echo $!"])
    let serverPID = try #require(Int32(server.output.filter(\.isNumber)))
    defer { kill(serverPID, SIGKILL) }
    usleep(300_000)
    let out = try site.agent.cli("exec", "web", "--", "/bin/busybox", "wget", "-q", "-O", "-", "http://198.51.100.2/")
    #expect(out.output == "node", "\(out)")
    let usage = try #require(try site.agent.call(ContainerMethods.stats, .init(names: ["web"])).first).usage
    #expect(usage.networkReceivedBytes ?? 0 > 1000 && usage.networkSentBytes ?? 0 > 1000, "\(usage)")
    let view = try site.agent.view("web")
    let (address, address6) = (try #require(view.address), try #require(view.address6))
    #expect(try site.internet.run(["ip", "route", "add", "10.128.0.0/10", "via", "198.51.100.1"]).code == 0)
    #expect(try site.internet.run(["ip", "route", "add", "fd00::/8", "via", "2001:db8:1::1"]).code == 0)
    #expect(
      try Self.answering(["http://\(address):80/", "http://[\(address6)]:80/"], { try site.internet.run($0) }).isEmpty)
    let out6 = try site.agent.cli(
      "exec", "web", "--", "/bin/sh", "-c",
      "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 2001:db8:1::2 80 | grep -c 200")
    #expect(out6.output == "1\n", "\(out6)")
  }

  @Test func `with default drop only what is named is open`() throws {
    let site = try Self.site("default: drop\n\(Self.policy)")
    let found = try Self.answering(
      ["http://198.51.100.1:8003/", "http://198.51.100.1:8004/", "http://[2001:db8:1::1]:8003/"],
      { try site.internet.run($0) })
    #expect(found == ["http://198.51.100.1:8003/", "http://[2001:db8:1::1]:8003/"])
    #expect(try site.internet.run(["busybox", "ping6", "-c", "1", "-W", "3", "2001:db8:1::1"]).code == 0)
    // Answers to what the node asks come in.
    #expect(try site.agent.inside(["busybox", "ping", "-c", "1", "-W", "3", "198.51.100.2"]).code == 0)
  }

  @Test func `others' tables stay as they are, and all of ours goes`() throws {
    let agent = try TestAgent()
    // As ufw, docker and firewalld make them.
    let others = """
      table ip filter {
        chain ufw-before-input {
          tcp dport 22 counter accept
        }
        chain FORWARD {
          type filter hook forward priority 0; policy accept;
          jump ufw-before-input
        }
      }
      table ip nat {
        chain DOCKER {
          iifname "docker0" counter return
        }
        chain PREROUTING {
          type nat hook prerouting priority -100; policy accept;
          fib daddr type local jump DOCKER
        }
      }
      table inet firewalld {
        chain filter_INPUT {
          type filter hook input priority 10; policy accept;
          ct state established accept
        }
      }
      """
    try FileSystem.replace("\(agent.root)/others.nft", with: Array(others.utf8), mode: 0o644)
    #expect(try agent.inside(["nft", "-f", "\(agent.root)/others.nft"]).code == 0)
    let before = try agent.inside(["nft", "list", "ruleset"]).output
    try Self.write(agent, Self.policy)
    #expect(try agent.cli("firewall", "apply").code == 0)
    #expect(try agent.cli("firewall", "open", "7000-7010/udp", "--scope", "cluster").code == 0)
    try agent.importBusybox()
    #expect(try agent.cli("run", "--name", "a", "bb").code == 0)
    let during = try agent.inside(["nft", "list", "ruleset"]).output
    #expect(during.hasPrefix(before.prefix(200)) || during.contains("firewalld"))
    for table in ["ip filter", "ip nat", "inet firewalld"] {
      let one = try agent.inside(["nft", "list", "table"] + table.split(separator: " ").map(String.init)).output
      #expect(before.contains(one), "\(table)")
    }
    #expect(try agent.cli("rm", "--force", "a").code == 0)
    // Its network namespace outlives it in this test.
    _ = try agent.call(NodeMethods.shutdown, .init(keepContainers: false), node: true)
    try agent.eventually("its table is gone") {
      try agent.inside(["nft", "list", "ruleset"]).output == before
    }
    agent.endDaemon(keepContainers: false)
  }

  @Test func `what somebody breaks is mended at once, and told`() throws {
    let site = try Self.site()
    let table = "nodeagent-\(site.agent.instance.id)"
    func mended(_ what: String, _ script: String, _ words: String) throws {
      let count = try site.agent.call(EventMethods.list, .init(kinds: ["firewall"]), node: true).count
      #expect(try site.agent.inside(["sh", "-c", script]).code == 0, "\(what)")
      try site.agent.eventually("\(what) is mended") {
        let events = try site.agent.call(EventMethods.list, .init(kinds: ["firewall"]), node: true)
        return events.count > count && events.last?.event == "mended" && events.last?.cause?.contains(words) ?? false
      }
    }
    try mended("a flushed ruleset", "nft flush ruleset", "the table was gone")
    try Self.check(site, "after the flush")
    try mended("an element", "nft add element inet \(table) open-internet '{ tcp . 8001 }'", "1 were not ours")
    try mended(
      "a map's element", "nft delete element inet \(table) internet-ports '{ tcp . 9003 }'", "1 elements were missing")
    try mended("a rule", "nft insert rule inet \(table) input accept", "not ours: \"accept\"")
    try mended("a chain", "nft flush chain inet \(table) managed", "missing")
    try Self.check(site, "after all that")
    // Changes elsewhere are none of ours.
    let count = try site.agent.call(EventMethods.list, .init(kinds: ["firewall"]), node: true).count
    #expect(try site.agent.inside(["nft", "add", "table", "inet", "somebody"]).code == 0)
    usleep(500_000)
    #expect(try site.agent.call(EventMethods.list, .init(kinds: ["firewall"]), node: true).count == count)
  }

  @Test func `containers come and go while somebody flushes everything`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(
      name: "net", command: "[/bin/httpd, -f, -p, \"80\", -h, /data]", "endpoints: [{name: w, port: 80, publish: 9001}]"
    ) { try FileSystem.replace("\($0)/data/index.html", with: Array("hello".utf8), mode: 0o644) }
    #expect(try agent.cli("run", "--name", "stays", "net").code == 0)
    let flood = "\(agent.root)/flood"
    #expect(
      try agent.inside([
        "sh", "-c",
        "touch \(flood); (while [ -e \(flood) ]; do nft flush ruleset; sleep 0.03; done) >/dev/null 2>&1 &",
      ]).code == 0)
    for _ in 0..<6 {
      // A start that meets a flush may fail, with a reason; it may not leave anything.
      let started = try agent.cli("run", "--name", "goes", "--publish", "w=9002", "net")
      #expect(started.code == 0 || started.error.contains("nft"), "\(started)")
      let removed = try agent.cli("rm", "--force", "goes")
      #expect(removed.code == 0 || started.code != 0, "\(removed)")
    }
    try FileSystem.remove(flood)
    try agent.eventually("all of it is there again, and nothing else") {
      let table = try agent.inside(["nft", "list", "table", "inet", "nodeagent-\(agent.instance.id)"]).output
      return try table.contains("9001") && !table.contains("9002")
        && agent.inside(["curl", "-s", "--max-time", "1", "http://127.0.0.1:9001/"]).output == "hello"
    }
    #expect(
      try agent.inside(["ip", "-br", "link"]).output.split(separator: "\n").filter { $0.contains("@") }.count == 1)
  }

  @Test func `changes at the same time are all made`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(name: "net", "endpoints: [{name: w, port: 80, publish: 0}]")
    let program = "\(agent.programs)/nodeagent"
    let opens = (0..<6).map {
      "\(program) firewall open 71\($0)0 --scope internet --name p\($0) >/dev/null || echo open \($0) &"
    }
    let runs = (0..<3).map { "\(program) run --name c\($0) net >/dev/null || echo run \($0) &" }
    let first = try agent.inside(["sh", "-c", (opens + runs).joined(separator: " ") + " wait"])
    #expect(first.output.isEmpty, "\(first)")
    let closes = (0..<3).map { "\(program) firewall close p\($0) >/dev/null || echo close \($0) &" }
    let removals = [
      "\(program) rm --force c0 >/dev/null || echo rm &", "\(program) run --name c3 net >/dev/null || echo run &",
    ]
    let second = try agent.inside(["sh", "-c", (closes + removals).joined(separator: " ") + " wait"])
    #expect(second.output.isEmpty, "\(second)")
    let listing = try agent.call(FirewallMethods.list, node: true)
    #expect(Set(listing.endpoints.map(\.endpoint.name)) == ["p3", "p4", "p5", "c1/w", "c2/w", "c3/w"])
    func set(_ name: String, _ kind: String = "set") throws -> String {
      try agent.inside(["nft", "-n", "list", kind, "inet", "nodeagent-\(agent.instance.id)", name]).output
    }
    let (internet, local) = (try set("open-internet"), try set("local-ports", "map"))
    for port in ["7130", "7140", "7150"] { #expect(internet.contains(port), "\(internet)") }
    for port in ["7100", "7110", "7120"] { #expect(!internet.contains(port), "\(internet)") }
    for endpoint in listing.endpoints where endpoint.container != nil {
      #expect(local.contains("6 . \(endpoint.endpoint.first) :"), "\(local)")
    }
    // What was opened stays, and what was closed too.
    try agent.killNodeController()
    try agent.startDaemon()
    let names = try agent.call(FirewallMethods.list, node: true).endpoints.map(\.endpoint.name)
    #expect(Set(names) == ["p3", "p4", "p5", "c1/w", "c2/w", "c3/w"])
  }

  @Test func `nobody is locked out by mistake`() throws {
    let site = try Self.site()
    let agent = site.agent
    let policy = Self.policy + "\n  - {name: ssh, port: 22, scope: node}\n"
    try Self.write(agent, policy)
    // As sshd tells the shell whom it serves.
    func cli(_ arguments: String...) throws -> Command {
      try agent.inside(
        ["env", "SSH_CONNECTION=198.51.100.2 50000 198.51.100.1 22", "\(agent.programs)/nodeagent"] + arguments)
    }
    let refused = try cli("firewall", "apply")
    #expect(refused.code != 0 && refused.error.contains("would lock out 198.51.100.2 at port 22"), "\(refused)")
    let plan = try cli("firewall", "plan")
    #expect(
      plan.code == 5 && plan.output.contains("+ ssh 22/tcp for node") && plan.output.contains("locks out"), "\(plan)")
    #expect(try !agent.cli("firewall").output.contains("22/tcp"))
    #expect(try cli("firewall", "apply", "--force").code == 0)
    #expect(try agent.cli("firewall").output.contains("22/tcp"))
    #expect(try agent.cli("firewall", "plan").output == "nothing changes\n")
  }

  @Test func `a change on probation is taken back, also by the next node controller`() throws {
    let site = try Self.site()
    let agent = site.agent
    let url = "http://198.51.100.1:8003/"
    func isOpen() throws -> Bool { try !Self.answering([url], { try site.internet.run($0) }).isEmpty }
    let closed = Self.policy.replacing("port: 8003, scope: internet", with: "port: 8003, scope: cluster")
    try Self.write(agent, closed)
    #expect(try agent.cli("firewall", "apply", "--confirm-within", "10s").code == 0)
    #expect(try !isOpen())
    #expect(try agent.cli("firewall").output.contains("on probation"))
    let second = try agent.cli("firewall", "open", "8200", "--scope", "internet")
    #expect(second.code != 0 && second.error.contains("on probation"), "\(second)")
    try agent.eventually("it was taken back") { try isOpen() }
    #expect(try agent.cli("firewall", "confirm").code != 0)
    // Confirmed it stays.
    #expect(try agent.cli("firewall", "apply", "--confirm-within", "2s").code == 0)
    #expect(try agent.cli("firewall", "confirm").code == 0)
    usleep(3_000_000)
    #expect(try !isOpen())
    // Over a death.
    #expect(try agent.cli("firewall", "open", "8100", "--scope", "internet", "--confirm-within", "3s").code == 0)
    try agent.killNodeController()
    usleep(3_500_000)
    try agent.startDaemon()
    #expect(try !agent.cli("firewall").output.contains("8100"))
    let events = try agent.call(EventMethods.list, .init(kinds: ["firewall"]), node: true).map(\.event)
    #expect(events.filter { $0 == "rolled back" }.count == 2 && events.contains("confirmed"), "\(events)")
  }

  @Test func `established connections survive a change that closes their port`() throws {
    let site = try Self.site()
    // The server on 8003 says nothing until it is asked; a slow request is a connection that lasts.
    let script = """
      exec 3<>/dev/tcp/198.51.100.1/8003; printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\n' >&3; echo begun; sleep 3
      printf '\\r\\n' >&3; timeout 5 cat <&3 | grep -c '200 OK'
      """
    let output = "\(site.agent.root)/slow"
    #expect(
      try site.internet.run(["bash", "-c", "bash -c \"$0\" > \(output) 2>&1 &", script]).code == 0)
    try site.agent.eventually("the connection is there") {
      (try? FileSystem.readText(output))?.contains("begun") ?? false
    }
    try Self.write(site.agent, Self.policy.replacing("port: 8003, scope: internet", with: "port: 8003, scope: node"))
    #expect(try site.agent.cli("firewall", "apply").code == 0)
    #expect(try Self.answering(["http://198.51.100.1:8003/"], { try site.internet.run($0) }).isEmpty)
    try site.agent.eventually("it was served to its end") { try FileSystem.readText(output).contains("1") }
  }

  /// A DNS query for the address of a name, and what a container is answered, in hexadecimal.
  private static func resolve(
    _ agent: TestAgent, _ container: String, _ name: String, type: Int = 1, overStream: Bool = false
  ) throws -> String {
    let gateway = try #require(
      try agent.view(container).address?.split(separator: ".").prefix(2).joined(separator: "."))
    let labels = name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    let query: [UInt8] =
      [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + labels + [0, 0, UInt8(type), 0, 1]
    let script =
      overStream
      ? """
      socket(S, PF_INET, SOCK_STREAM, 0); $SIG{ALRM} = sub { exit 1 }; alarm 10;
      connect(S, sockaddr_in(53, inet_aton($ARGV[0]))) or exit 1; syswrite(S, pack('nH*', length($ARGV[1]) / 2, $ARGV[1]));
      sysread(S, $answer, 600); print unpack('H*', substr($answer, 2))
      """
      : """
      socket(S, PF_INET, SOCK_DGRAM, 0); send(S, pack('H*', $ARGV[1]), 0, sockaddr_in(53, inet_aton($ARGV[0])));
      $SIG{ALRM} = sub { exit 1 }; alarm 10; recv(S, $answer, 512, 0); print unpack('H*', $answer)
      """
    let hex = query.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    // As a program of the container would: from its network namespace.
    let pid = try #require(try agent.view(container).pid)
    return try Command.run(
      ["nsenter", "--net=/proc/\(pid)/ns/net", "perl", "-MSocket", "-e", script, "\(gateway).0.1", hex]
    ).output
  }

  @Test func `containers find each other by name, also while the node controller is away`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(
      name: "net", command: "[/bin/httpd, -f, -p, \"80\", -h, /data]",
      "endpoints:\n  - {name: http, port: 80, publish: 0}")
    for name in ["db", "web"] { #expect(try agent.cli("run", "--name", name, "net").code == 0) }
    let address = try #require(try agent.view("db").address)
    let hex = address.split(separator: ".").map { String(UInt8($0) ?? 0, radix: 16) }
      .map { $0.count == 1 ? "0\($0)" : $0 }.joined()
    let config = try agent.cli("exec", "web", "--", "/bin/cat", "/etc/resolv.conf").output
    #expect(config.contains("search containers.internal"), "\(config)")
    try agent.eventually("the name is known") {
      try Self.resolve(agent, "web", "db.containers.internal").hasSuffix(hex)
    }
    #expect(try Self.resolve(agent, "web", "db").hasSuffix(hex))
    #expect(try Self.resolve(agent, "web", "db", overStream: true).hasSuffix(hex))
    #expect(try Self.resolve(agent, "web", "db", type: 28).contains("001c00010000000500 10fd".filter { $0 != " " }))
    // 8183: no such name.
    #expect(try Self.resolve(agent, "web", "none.containers.internal").hasPrefix("12348583"))
    // The port of the endpoint, and the name that it is at.
    #expect(try Self.resolve(agent, "web", "_http._tcp.db.containers.internal", type: 33).contains("00000000005002646"))
    // Nobody else answers here: the agent says so instead of nothing.
    #expect(try Self.resolve(agent, "web", "example.org").hasPrefix("123485"))
    try agent.killNodeController()
    #expect(try Self.resolve(agent, "web", "db").hasSuffix(hex))
    try agent.startDaemon()
    try Pidfd(opening: agent.subsystemPID("monitor")).signal(SIGKILL)
    try agent.eventually("the next monitor knows it") { try Self.resolve(agent, "web", "db").hasSuffix(hex) }
    #expect(try agent.cli("rm", "--force", "db").code == 0)
    // Also: the bridge keeps its hardware address when a port of it goes, or nothing would be answered at all.
    try agent.eventually("the name is gone") {
      try Self.resolve(agent, "web", "db.containers.internal").hasPrefix("12348583")
    }
  }

  /// With NET_ADMIN a container may give itself any address; it only cannot speak from it.
  @Test func `a container speaks from its own addresses alone, and to others by endpoints alone`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(
      name: "net", command: "[/bin/httpd, -f, -p, \"80\", -h, /data]",
      "capabilities: [NET_ADMIN]\nendpoints:\n  - {name: web, port: 80, publish: 9001}"
    ) { try FileSystem.replace("\($0)/data/index.html", with: Array("hello".utf8), mode: 0o644) }
    for (name, port) in [("a", "9001"), ("b", "9002")] {
      let started = try agent.cli("run", "--name", name, "--publish", "web=\(port)", "net")
      #expect(started.code == 0, "\(started)")
    }
    let gateway = try #require(try agent.view("a").address?.split(separator: ".").dropLast(2).joined(separator: "."))
    let neighbour = try #require(try agent.view("b").address)
    func reaches(_ place: String, _ options: String = "") throws -> Bool {
      try agent.cli(
        "exec", "a", "--", "/bin/sh", "-c",
        "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 \(options) \(place) | grep -q 200"
      ).code == 0
    }
    #expect(try reaches("\(gateway).0.1 9002"))
    #expect(try reaches("\(gateway).0.1 9001"))
    #expect(try !reaches("\(neighbour) 80"))
    let spoofed = "\(gateway).99.99"
    let added = try agent.cli("exec", "a", "--", "/bin/ip", "addr", "add", "\(spoofed)/16", "dev", "eth0")
    #expect(added.code == 0, "\(added)")
    #expect(try !reaches("\(gateway).0.1 9002", "-s \(spoofed)"))
    #expect(try reaches("\(gateway).0.1 9002"))
    // The same with IPv6, where an address is announced as well (RFC 4861).
    let gateway6 = try #require(try agent.view("a").address6?.replacing(/::.*/, with: "::1"))
    let neighbour6 = try #require(try agent.view("b").address6)
    #expect(try reaches("\(gateway6) 9002") && reaches("\(gateway6) 9001"))
    #expect(try !reaches("\(neighbour6) 80"))
    let spoofed6 = gateway6.replacing(/::1$/, with: "::9999")
    let added6 = try agent.cli("exec", "a", "--", "/bin/ip", "addr", "add", "\(spoofed6)/64", "dev", "eth0")
    #expect(added6.code == 0, "\(added6)")
    // Until the kernel has found nobody else with it (RFC 4862 §5.4).
    usleep(2_000_000)
    #expect(try !reaches("\(gateway6) 9002", "-s \(spoofed6)"))
    // Somebody else's address, as the node asks for it: nobody is heard.
    _ = try agent.inside(["busybox", "ping6", "-c", "1", "-W", "2", spoofed6])
    #expect(try !agent.inside(["ip", "-6", "neigh", "show", spoofed6]).output.contains("lladdr"))
    // The kernel might choose it as the source from now on.
    #expect(try agent.cli("exec", "a", "--", "/bin/ip", "addr", "del", "\(spoofed6)/64", "dev", "eth0").code == 0)
    #expect(try reaches("\(gateway6) 9002"))
    let changed = try agent.cli(
      "exec", "a", "--", "/bin/sh", "-c",
      "busybox ifconfig eth0 hw ether 02:00:00:00:00:99 && ip link show eth0 | grep -q 02:00:00:00:00:99")
    #expect(changed.code == 0, "\(changed)")
    #expect(try !reaches("\(gateway).0.1 9002"))
    // What it did is nobody else's trouble.
    #expect(try agent.inside(["curl", "-s", "--max-time", "3", "http://127.0.0.1:9002/"]).output == "hello")
  }

  @Test func `linked containers reach each other by name, and nobody else does`() throws {
    let agent = try TestAgent()
    try agent.importBusybox(name: "net", command: "[/bin/httpd, -f, -p, \"80\", -h, /data]") {
      try FileSystem.replace("\($0)/data/index.html", with: Array("hello".utf8), mode: 0o644)
    }
    let early = try agent.cli("run", "--name", "web", "--link", "db", "net")
    #expect(early.code == 4 && early.error.contains("to link to"), "\(early)")
    for arguments in [["--name", "db"], ["--name", "other"], ["--name", "web", "--link", "db"]] {
      let started = try agent.cliList(["run"] + arguments + ["net"])
      #expect(started.code == 0, "\(started)")
    }
    func reaches(_ from: String, _ place: String) throws -> Bool {
      try agent.cli(
        "exec", from, "--", "/bin/sh", "-c", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 \(place) 80 | grep -q 200"
      ).code == 0
    }
    func addresses() throws -> (db: String, web: String) {
      (try #require(try agent.view("db").address), try #require(try agent.view("web").address))
    }
    func address6(_ name: String) throws -> String { try #require(try agent.view(name).address6) }
    let (db, web) = try addresses()
    let (db6, web6) = (try address6("db"), try address6("web"))
    let hosts = try agent.cli("exec", "web", "--", "/bin/cat", "/etc/hosts").output
    #expect(hosts.contains("\(db)\tdb\n") && hosts.contains("\(db6)\tdb\n") && hosts.contains("\(web6)\tweb\n"))
    // Both ways that a node may be: bridged packets pass the rules for routed ones, or do not.
    let switches = ["iptables", "ip6tables"].map { "/proc/sys/net/bridge/bridge-nf-call-\($0)" }.filter {
      (try? agent.inside(["test", "-w", $0]).code) == 0
    }
    for value in switches.isEmpty ? [""] : ["0", "1"] {
      for path in switches { #expect(try agent.inside(["sh", "-c", "echo \(value) > \(path)"]).code == 0) }
      #expect(try reaches("web", "db"), "call-iptables \(value)")
      #expect(try reaches("db", web), "call-iptables \(value)")
      #expect(try reaches("web", db6) && reaches("db", web6), "call-ip6tables \(value)")
      for (from, place) in [
        ("other", db), ("other", web), ("db", try #require(try agent.view("other").address)), ("other", db6),
        ("other", web6), ("db", try address6("other")),
      ] {
        #expect(try !reaches(from, place), "\(from) to \(place), call-iptables \(value)")
      }
    }
    // It holds over restarts of one of them, and of the node controller.
    #expect(try agent.cli("restart", "db").code == 0)
    #expect(try addresses().db == db)
    #expect(try reaches("web", db))
    try agent.killNodeController()
    try agent.startDaemon()
    #expect(try reaches("web", db) && reaches("db", web))
    #expect(try !reaches("other", db))
    #expect(try agent.cli("rm", "--force", "db").code == 0)
    for set in ["inet links", "inet links6", "inet neighbours6", "bridge bridge-links6", "bridge bridge-neighbours6"] {
      let (family, name) = (String(set.prefix { $0 != " " }), String(set.drop { $0 != " " }.dropFirst()))
      let table = try agent.inside(["nft", "list", "set", family, "nodeagent-\(agent.instance.id)", name])
      #expect(table.code == 0 && !table.output.contains("elements"), "\(table)")
    }
    #expect(try agent.cli("restart", "web").code == 0)
  }

  @Test func `limits hold back whoever asks too often`() throws {
    let site = try Self.site(
      Self.policy.replacing("port: 8003, scope: internet", with: "port: 8003, scope: internet, per-source: 5/minute"))
    func count(_ peer: TestPeer, _ address: String, _ port: Int = 8003) throws -> Int {
      try peer.run([
        "sh", "-c",
        "for i in 1 2 3 4 5 6 7 8 9; do curl -g -s -o /dev/null --max-time 1 http://\(address):\(port)/ && echo yes; done; true",
      ])
      .output.split(separator: "\n").count
    }
    #expect((5...6).contains(try count(site.internet, "198.51.100.1")))
    // Each source has its own.
    #expect((5...6).contains(try count(site.cluster, "10.20.0.1")))
    #expect((5...6).contains(try count(site.internet, "[2001:db8:1::1]")))
    // A container's endpoint has them from its bundle, as long as it runs.
    try site.agent.importBusybox(
      name: "lim", command: "[/bin/httpd, -f, -p, \"80\", -h, /data]",
      "endpoints: [{name: w, port: 80, scope: internet, publish: 9100, per-source: 5/minute}]"
    ) { try FileSystem.replace("\($0)/data/index.html", with: Array("container".utf8), mode: 0o644) }
    #expect(try site.agent.cli("run", "--name", "lim", "lim").code == 0)
    #expect(try site.agent.cli("firewall").output.contains("5/minute per source"))
    #expect((5...6).contains(try count(site.internet, "198.51.100.1", 9100)))
    // The others are as they were.
    #expect(try !Self.answering(["http://198.51.100.1:9003/"], { try site.internet.run($0) }).isEmpty)
    #expect(try site.agent.cli("rm", "--force", "lim").code == 0)
    let table = try site.agent.inside(["nft", "list", "map", "inet", "nodeagent-\(site.agent.instance.id)", "limited"])
    #expect(table.code == 0 && !table.output.contains("9100"), "\(table)")
  }

  @Test func `containers' endpoints are open no wider than the policy lets them be`() throws {
    let site = try Self.site()
    let url = "http://198.51.100.1:9003/"
    func isOpen(_ peer: TestPeer, _ url: String) throws -> Bool {
      try !Self.answering([url], { try peer.run($0) }).isEmpty
    }
    #expect(try isOpen(site.internet, url))
    try Self.write(site.agent, "containers: cluster\n" + Self.policy)
    let plan = try site.agent.cli("firewall", "plan")
    #expect(plan.output.contains("containers' endpoints at most: internet -> cluster"), "\(plan)")
    #expect(try site.agent.cli("firewall", "apply").code == 0)
    #expect(try !isOpen(site.internet, url))
    #expect(try isOpen(site.cluster, "http://10.20.0.1:9003/"))
    // Also what is started afterwards, and nothing of it stays.
    #expect(try site.agent.cli("restart", "web").code == 0)
    #expect(try !isOpen(site.internet, url))
    #expect(try isOpen(site.cluster, "http://10.20.0.1:9003/"))
    let lines = try site.agent.cli("firewall").output.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("web/public") && $0.contains("cluster") }, "\(lines)")
    #expect(try site.agent.cli("rm", "--force", "web").code == 0)
    try site.agent.eventually("nothing of it stays") {
      let table = try site.agent.inside(["nft", "list", "table", "inet", "nodeagent-\(site.agent.instance.id)"])
      return !table.output.contains("9003")
    }
    try Self.write(site.agent, Self.policy)
    #expect(try site.agent.cli("firewall", "apply").code == 0)
    #expect(try site.agent.cli("run", "--name", "web", "web").code == 0)
    #expect(try isOpen(site.internet, url))
  }

  @Test func `what cannot be is refused with a reason, and nothing is changed`() throws {
    let site = try Self.site()
    let agent = site.agent
    let before = try agent.inside(["nft", "list", "ruleset"]).output
    for (arguments, words) in [
      (["open", "8003", "--scope", "internet", "--name", "other"], "overlaps with public"),
      (["open", "9003", "--scope", "node"], "container web publishes"),
      (["open", "0", "--scope", "node"], "from 1 to 65535"),
      (["open", "5", "--scope", "all"], "node, cluster or internet"),
      (["open", "5", "--scope", "node", "--rate", "many"], "is no rate"),
      (["close", "public"], "stands in firewall.yaml"),
      (["close", "nothing"], "nothing with the name"), (["confirm"], "nothing is on probation"),
    ] {
      let result = try agent.cliList(["firewall"] + arguments)
      #expect(result.code != 0 && result.error.contains(words), "\(arguments): \(result)")
    }
    try Self.write(agent, "endpoints: [{port: 1, scope: internet}, {port: 1, scope: node}]")
    let result = try agent.cli("firewall", "apply")
    #expect(result.code != 0 && result.error.contains("firewall.yaml:1"), "\(result)")
    let busy = try agent.cli(
      "run", "--name", "b", "--publish", "own=8001", "--publish", "shared=0", "--publish", "public=0", "web")
    #expect(busy.code != 0 && busy.error.contains("8001"), "\(busy)")
    #expect(try agent.inside(["nft", "list", "ruleset"]).output == before)
  }
}
