// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Testing

@testable import NodeController

@Suite struct NetworkParserTests {
  @Test func `pools and peers are read`() throws {
    let read = try NetworkParser.parse(
      """
      pool: 10.80.4.7/22
      pool6: fd00:80:4::/64
      vxlan: {id: 7, port: 9999, mtu: 8930}
      peers:
        - {name: b, address: 192.0.2.2, pool: 10.80.8.0/22}
        - {name: c, address: "2001:db8::3", pool: 10.80.12.0/22, pool6: "fd00:80:c::/64", via: vxlan}
        - {name: d, address: 192.0.2.4, address6: "2001:db8::4", pool: 10.81.0.0/22, pool6: "fd00:81::/64"}
      """, file: "network.yaml")
    #expect(read.pool?.text == "10.80.4.0/22")
    #expect(read.ipv6 == .given(try #require(IPNetwork("fd00:80:4::/64"))))
    #expect(read.overlay == .init(identifier: 7, port: 9999, mtu: 8930))
    #expect(read.peers.map(\.name) == ["b", "c", "d"] && read.peers.map(\.via) == [.route, .vxlan, .route])
    #expect(try NetworkParser.parse("pool6: off", file: "network.yaml").ipv6 == .off)
    #expect(try NetworkParser.parse("{}", file: "network.yaml") == NetworkConfiguration())
  }

  @Test(arguments: [
    ("pool: 10.0.0.0/30", "8 to 28"), ("pool: fd00::/64", "8 to 28"), ("pool: x", "8 to 28"),
    ("pool6: 10.0.0.0/8", "32 to 112"), ("pool6: fd00::/120", "32 to 112"), ("vxlan: {id: 0}", "id"),
    ("vxlan: {port: 70000}", "port"), ("vxlan: {mtu: 100}", "mtu"),
    ("peers: [{name: b}]", "needs name, address and pool"),
    ("peers: [{name: b, address: x, pool: 10.1.0.0/16}]", "must be an address"),
    ("peers: [{name: b, address: 10.1.0.1, pool: 10.1.0.0/16}]", "an address in its own pool"),
    ("peers: [{name: b, address: 192.0.2.2, pool: 10.1.0.0/16, pool6: 'fd00::/64'}]", "no IPv6 address to route it to"),
    ("peers: [{name: b, address: 'fd01::1', pool: 10.1.0.0/16}]", "routed to an IPv6 address"),
    ("peers: [{name: b, address: 192.0.2.2, address6: 192.0.2.3, pool: 10.1.0.0/16}]", "IPv6 address"),
    ("peers: [{name: b, address: 192.0.2.2, pool: 10.1.0.0/16, via: tunnel}]", "route"),
    (
      "peers: [{name: b, address: 192.0.2.2, pool: 10.1.0.0/16}, {name: b, address: 192.0.2.3, pool: 10.2.0.0/16}]",
      "twice"
    ),
    (
      "peers: [{name: b, address: 192.0.2.2, pool: 10.1.0.0/16}, {name: c, address: 192.0.2.2, pool: 10.2.0.0/16}]",
      "has the address of b"
    ),
    (
      "peers: [{name: b, address: 192.0.2.2, pool: 10.1.0.0/16}, {name: c, address: 192.0.2.3, pool: 10.1.9.0/24}]",
      "overlaps with b's"
    ),
    ("peer: []", "peer"),
  ])
  func `what is wrong is said`(text: String, message: String) {
    let problem = #expect(throws: DescriptorProblem.self) { try NetworkParser.parse(text, file: "network.yaml") }
    #expect(problem?.description.contains(message) ?? false, "\(problem?.description ?? "")")
  }

  @Test(arguments: [
    (28, 1, "10.0.0.2"), (28, 13, "10.0.0.14"), (28, 14, nil), (22, 1020, "10.0.3.253"), (22, 1022, nil),
  ])
  func `a small pool ends`(prefix: Int, slot: Int, address: String?) throws {
    let pool = NetworkPool(
      ipv4: try #require(IPNetwork("10.0.0.0/\(prefix)")), ipv6: IPNetwork("fd00::/112"), number: 0)
    #expect(pool.address(slot: slot) == address)
    #expect(pool.address6(slot: 0xfff) == "fd00::1000")
  }
}
