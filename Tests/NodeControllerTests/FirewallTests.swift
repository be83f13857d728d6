// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Testing

@testable import NodeController

@Suite struct IPNetworkTests {
  @Test(arguments: [
    ("10.1.2.3/8", "10.0.0.0/8"), ("10.1.2.3", "10.1.2.3"), ("10.1.2.3/32", "10.1.2.3"), ("0.0.0.0/0", "0.0.0.0/0"),
    ("FD00:0:0::1/8", "fd00::/8"), ("2001:db8::1/128", "2001:db8::1"), ("::ffff:10.0.0.1", "10.0.0.1"),
    ("192.168.255.255/31", "192.168.255.254/31"),
  ])
  func `it is written as the kernel writes it`(text: String, canonical: String) {
    #expect(IPNetwork(text)?.text == canonical)
  }

  @Test(arguments: [
    "", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "fd00::/129", "x", "10.0.0.0/8/8", "1.2.3.4/",
  ])
  func `what is none is refused`(text: String) { #expect(IPNetwork(text) == nil) }

  @Test func `it contains its addresses alone`() throws {
    let network = try #require(IPNetwork("10.128.0.0/9"))
    #expect(network.contains(try #require(IPNetwork.address("10.200.0.1"))))
    #expect(!network.contains(try #require(IPNetwork.address("10.127.255.255"))))
    #expect(!network.contains(try #require(IPNetwork.address("fd00::1"))))
  }
}

@Suite struct FirewallParserTests {
  @Test func `a whole policy is read`() throws {
    let policy = try FirewallParser.parse(
      """
      cluster: [10.20.0.0/16, 10.20.3.0/24, "fd20::/48"]
      default: drop
      log: 10/minute
      endpoints:
        - {name: ssh, port: 22, scope: internet, per-source: 10/minute}
        - {ports: 8000-8010, protocol: udp, scope: cluster, rate: 100/second}
      """, file: "firewall.yaml")
    #expect(policy.cluster == ["10.20.0.0/16", "fd20::/48"])
    #expect(policy.otherwise == .drop && policy.log == PacketRate("10/minute"))
    #expect(policy.endpoints.map(\.name) == ["ssh", "port-8000-udp"])
    #expect(policy.endpoints.map(\.portsText) == ["22/tcp", "8000-8010/udp"])
    #expect(policy.endpoints[0].ratePerSource == PacketRate(count: 10, unit: .minute))
  }

  @Test(arguments: [
    ("cluster: [10.0.0.0/40]", "must be a network"), ("default: maybe", "default"), ("log: often", "must be a number"),
    ("endpoints: [{port: 22}]", "needs port"), ("endpoints: [{scope: node}]", "needs port"),
    ("endpoints: [{port: 0, scope: node}]", "must be a port"),
    ("endpoints: [{port: 9-8, scope: node}]", "must be a port"),
    ("endpoints: [{port: 1, ports: 1-2, scope: node}]", "needs port"),
    ("endpoints: [{port: 1, scope: all}]", "scope"),
    ("endpoints: [{port: 1, scope: node, rate: 0/second}]", "must be a number"),
    ("endpoints: [{port: 1-9, scope: node}, {port: 9, scope: node}]", "has ports that"),
    ("endpoints: [{name: a, port: 1, scope: node}, {name: a, port: 9, scope: node}]", "has the name a"),
    ("rules: []", "rules"),
  ])
  func `what is wrong is said`(text: String, message: String) {
    let problem = #expect(throws: DescriptorProblem.self) { try FirewallParser.parse(text, file: "firewall.yaml") }
    #expect(problem?.description.contains(message) ?? false, "\(problem?.description ?? "")")
  }
}

@Suite struct FirewallImageTests {
  private static let pool = NetworkPool(
    ipv4: NetworkPool.standard(1), ipv6: IPNetwork("fd00:1:2:3::/64"), number: 1)

  private static func endpoint(_ first: UInt16, _ last: UInt16, _ scope: EndpointScope) -> FirewallEndpoint {
    FirewallEndpoint(name: "p\(first)", proto: .tcp, first: first, last: last, scope: scope)
  }

  @Test func `scopes decide in which sets and maps an endpoint is`() {
    let published = [
      PublishedEndpoint(
        container: "c", name: "w", proto: .udp, hostPort: 53, scope: .cluster, address: "10.128.0.2", port: 5353)
    ]
    let image = FirewallImage(
      policy: FirewallPolicy(
        cluster: ["10.20.0.0/16", "fd20::/48"],
        endpoints: [Self.endpoint(1, 1, .node), Self.endpoint(2, 5, .cluster), Self.endpoint(9, 9, .internet)]),
      opened: [], published: published, ports: nil, bridge: "na1", pool: Self.pool)
    #expect(image.elements["cluster4"] == ["10.20.0.0/16"] && image.elements["cluster6"] == ["fd20::/48"])
    #expect(image.elements["managed"] == ["6 . 1", "6 . 9", "17 . 53"])
    #expect(image.elements["managed-ranges"] == ["6 . 2-5"])
    #expect(image.elements["open-cluster"] == ["6 . 9"] && image.elements["open-cluster-ranges"] == ["6 . 2-5"])
    #expect(image.elements["open-internet"] == ["6 . 9"])
    #expect(image.elements["local-ports"] == ["17 . 53 : 10.128.0.2 . 5353"])
    #expect(image.elements["cluster-ports"] == image.elements["local-ports"])
    #expect(image.elements["internet-ports"] == nil)
  }

  @Test func `the structure does not depend on how many there are`() {
    func image(_ count: UInt16) -> FirewallImage {
      FirewallImage(
        policy: FirewallPolicy(endpoints: (1...count).map { Self.endpoint($0, $0, .internet) }), opened: [],
        published: [], ports: [], bridge: "na1", pool: Self.pool)
    }
    #expect(image(1).structure == image(1000).structure)
  }

  @Test func `ranges of ports are led one by one, with both families`() {
    let published = PublishedEndpoint(
      container: "c", name: "w", proto: .tcp, hostPort: 7000, count: 2, scope: .internet, address: "10.129.0.2",
      address6: "fd00:1:2:3::2", port: 80)
    #expect(
      Set(published.elements.filter { $0.set.hasPrefix("internet") }.map(\.element)) == [
        "6 . 7000 : 10.129.0.2 . 80", "6 . 7001 : 10.129.0.2 . 81", "6 . 7000 : fd00:1:2:3::2 . 80",
        "6 . 7001 : fd00:1:2:3::2 . 81",
      ])
    #expect(published.elements.filter { $0.set == "managed" }.map(\.element) == ["6 . 7000", "6 . 7001"])
    #expect(published.asEndpoint.portsText.hasPrefix("7000-7001"))
  }

  @Test func `a port speaks from its own addresses alone`() {
    let port = AttachedPort(
      interface: "na1-1", hardwareAddress: [2, 0x6e, 0x61, 0x81, 0, 1], address: "10.129.0.2",
      address6: "fd00:1:2:3::2",
      served: [.init(name: "a", proto: .udp, port: 53, count: nil, scope: .cluster)])
    let elements = Dictionary(grouping: port.elements, by: \.set).mapValues { Set($0.map(\.element)) }
    #expect(elements["ports"] == ["\"na1-1\" . 02:6e:61:81:00:01 . 10.129.0.2"])
    #expect(
      elements["ports6"] == [
        "\"na1-1\" . 02:6e:61:81:00:01 . fd00:1:2:3::2", "\"na1-1\" . 02:6e:61:81:00:01 . fe80::6e:61ff:fe81:1",
      ])
    #expect(
      elements["targets6"] == [
        "\"na1-1\" . 0xfd000001000200030000000000000002", "\"na1-1\" . 0xfe80000000000000006e61fffe810001",
      ])
    #expect(elements["direct4"] == ["10.129.0.2 . 17 . 53"] && elements["direct6"] == ["fd00:1:2:3::2 . 17 . 53"])
  }

  @Test func `peers belong to the cluster, with their pools`() {
    let peers = [
      NetworkPeer(name: "a", address: "192.0.2.2", pool: "10.9.0.0/16", pool6: "fd09::/64", via: .vxlan),
      NetworkPeer(name: "b", address: "10.20.0.3", pool: "10.8.0.0/16"),
    ]
    let image = FirewallImage(
      policy: FirewallPolicy(cluster: ["10.20.0.0/16"]), opened: [], published: [], ports: nil, peers: peers,
      bridge: "na1", pool: Self.pool)
    #expect(image.elements["cluster4"] == ["10.20.0.0/16", "192.0.2.2", "10.9.0.0/16", "10.8.0.0/16"])
    #expect(image.elements["cluster6"] == ["fd09::/64"])
    #expect(image.elements["peers4"] == ["10.9.0.0/16", "10.8.0.0/16"])
    #expect(image.elements["underlay4"] == ["192.0.2.2"])
  }

  @Test func `counters are read from what nft lists`() {
    let text =
      "x {\n elements = { 10.0.0.2 . 6 . 80 counter packets 12 bytes 3400,\n 10.0.0.3 . 17 . 53 counter packets 1 bytes 60 }\n}"
    #expect(
      TrafficCount.read(text) == [
        "10.0.0.2 . 6 . 80": TrafficCount(packets: 12, bytes: 3400),
        "10.0.0.3 . 17 . 53": TrafficCount(packets: 1, bytes: 60),
      ])
    for broken in ["", "elements = {", "elements = { a counter packets x bytes 1 }", "elements = { counter packets }"] {
      #expect(TrafficCount.read(broken).isEmpty)
    }
  }

  @Test func `what nft lists is read back`() {
    #expect(
      FirewallTable.elements(
        "table inet x {\n\tset s {\n\t\ttype a\n\t\telements = { 6 . 22,\n\t\t\t     6 . 8000-8010 }\n\t}\n}\n") == [
          "6 . 22", "6 . 8000-8010",
        ])
    #expect(FirewallTable.elements("table inet x {\n\tset s {\n\t}\n}\n") == [])
  }
}

@Suite struct FirewallVerdictTests {
  @Test(arguments: [
    ("198.51.100.9", 1, false), ("198.51.100.9", 2, false), ("198.51.100.9", 3, true), ("198.51.100.9", 4, true),
    ("10.20.9.9", 2, true), ("fd20::9", 2, true), ("fd21::9", 2, false), ("nonsense", 2, false),
  ])
  func `it decides as the rules do`(source: String, port: Int, accepts: Bool) {
    let endpoints = [(1, EndpointScope.node), (2, .cluster), (3, .internet)].map {
      FirewallEndpoint(name: "p\($0)", proto: .tcp, first: $0, last: $0, scope: $1)
    }
    let verdict = FirewallVerdict(
      policy: FirewallPolicy(cluster: ["10.20.0.0/16", "fd20::/16"], endpoints: endpoints), opened: [])
    #expect(verdict.accepts(from: source, to: UInt16(port)) == accepts)
  }

  @Test func `established connections are found in the kernel's table`() {
    let text = """
        sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
         0: 0100007F:0016 096433C6:D431 01 00000000:00000000 00:00000000 00000000     0        0 1
         1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
         2: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF0000096433C6:D432 01 0:0 0:0 0 0 0 3
         3: nonsense
         4: 0100007F:0016 zzzzzzzz:D431 01
      """
    #expect(
      EstablishedConnections.parse(text) == [
        .init(source: "198.51.100.9", port: 22), .init(source: "198.51.100.9", port: 22),
      ])
  }
}

@Suite struct FirewallWatchTests {
  private static func message(_ type: UInt8, _ attribute: UInt8, _ text: String) -> [UInt8] {
    let payload = Array(text.utf8) + [0]
    var body: [UInt8] = [0, 0, 0, 0, UInt8(payload.count + 4), 0, attribute, 0] + payload
    while body.count % 4 != 0 { body.append(0) }
    let length = 16 + 4 + 4 + payload.count
    return [UInt8(length), 0, 0, 0, type, 10] + [UInt8](repeating: 0, count: 10) + body
  }

  @Test func `only foreign changes to our table count`() {
    var told: [String] = []
    var isTouched = false
    func scan(_ messages: [[UInt8]]) {
      let bytes = messages.flatMap { $0 }
      FirewallWatch.scan(bytes, count: bytes.count, table: "ours", &isTouched) { told.append($0) }
    }
    scan([Self.message(6, 1, "theirs"), Self.message(15, 3, "nft")])
    scan([Self.message(6, 1, "ours"), Self.message(15, 3, Nft.threadName)])
    #expect(told == [])
    // A transaction may come in several parts.
    scan([Self.message(6, 1, "theirs"), Self.message(9, 1, "ours")])
    scan([Self.message(15, 3, "nft"), Self.message(15, 3, "ufw")])
    #expect(told == ["nft"])
  }

  @Test func `no bytes bring it down`() {
    var generator = SystemRandomNumberGenerator()
    let sound = Self.message(6, 1, "ours") + Self.message(15, 3, "nft")
    for round in 0..<20_000 {
      var bytes = sound
      for _ in 0...(round % 6) { bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255) }
      bytes.removeLast(Int.random(in: 0..<bytes.count))
      var isTouched = false
      FirewallWatch.scan(bytes, count: bytes.count, table: "ours", &isTouched) { _ in }
    }
  }
}
