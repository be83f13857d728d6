// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import Testing

@testable import NodeController

@Suite struct NodeFactsTests {
  @Test(
    arguments: [
      ("web", "127.0.0.1 localhost\n10.0.0.1\tweb.example.org web # here\n", "web.example.org"),
      ("web", "10.0.0.1 web web.example.org\n", "web.example.org"), ("web", "10.0.0.1 other.example.org other\n", nil),
      ("web.example.org", "", "web.example.org"), ("web", "# 10.0.0.1 web.example.org web\n", nil),
      ("web", "10.0.0.1 web\n", nil),
    ] as [(String, String, String?)])
  func `the full name comes from the host's own file`(hostname: String, hosts: String, name: String?) {
    #expect(NodeFacts.fqdn(hostname, hosts: hosts) == name)
  }
}

@Suite struct NetworkPoolTests {
  private static let pool = NetworkPool(
    ipv4: NetworkPool.standard(2), ipv6: IPNetwork("fd00:1:2:3::/64"), number: 2)

  @Test(arguments: [(1, "10.130.0.2"), (254, "10.130.0.255"), (255, "10.130.1.0"), (1023, "10.130.4.0")])
  func `each slot has an address`(slot: Int, address: String) {
    #expect(Self.pool.address(slot: slot) == address)
  }

  private static let header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"

  @Test(arguments: [
    ("eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0", false),
    ("eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0", true),
    ("eth0\t0000820A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0", true),
    ("eth0\t0500820A\t00000000\t0001\t0\t0\t0\tFFFFFFFF\t0\t0\t0", true),
    ("eth0\t0000830A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0", false),
    ("na2\t0000820A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0", false),
    ("nas0\t0000820A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0", true),
    ("nonsense", false),
  ])
  func `a route into the pool is seen`(line: String, expected: Bool) {
    #expect(NetworkPool.overlaps(Self.pool.ipv4, routeTable: Self.header + line + "\n") == expected)
  }
}

@Suite struct RootFileSystemTests {
  @Test func `the lower layer is id-mapped before the overlay is made`() throws {
    let kernel = RecordingKernel()
    _ = try RootFileSystem(kernel: kernel).make(template: "/t", upper: "/u", work: "/w", point: "/p", mapping: 9)
    #expect(kernel.steps.count == 3)
    #expect(kernel.steps[0] == "clone mount /t")
    #expect(kernel.steps[1].hasSuffix("id-mapped"))
    #expect(kernel.steps[2].hasPrefix("new overlay(lowerdir=/proc/self/fd/"))
    #expect(kernel.steps[2].contains("upperdir=/u,workdir=/w"))
  }

  @Test func `a kernel that wants attached layers gets one for a moment, and is remembered`() throws {
    let kernel = RecordingKernel()
    kernel.fail("new overlay(lowerdir=/proc/self/fd/", with: 22)
    let roots = RootFileSystem(kernel: kernel)
    for round in 0..<2 {
      let before = kernel.steps.count
      _ = try roots.make(template: "/t", upper: "/u", work: "/w", point: "/p", mapping: 9)
      let steps = Array(kernel.steps.dropFirst(before + 2 + (round == 0 ? 1 : 0)))
      #expect(steps.count == 3)
      #expect(steps[0] == "attach mount of /t onto /p")
      #expect(steps[1].hasPrefix("new overlay(lowerdir=/p,"))
      #expect(steps[2] == "detach /p")
    }
  }

  @Test func `a file-system that cannot be id-mapped is an error, and no overlay is made`() {
    let kernel = RecordingKernel()
    kernel.fail("set attributes", with: 22)
    #expect(throws: SyscallError.self) {
      _ = try RootFileSystem(kernel: kernel).make(template: "/t", upper: "/u", work: "/w", point: "/p", mapping: 9)
    }
    #expect(kernel.steps.count == 2)
  }
}

@Suite struct TemplateNameTests {
  @Test(arguments: [
    "", "abc", "../x", String(repeating: "A", count: 64), String(repeating: "g", count: 64),
    String(repeating: "a", count: 63) + "/",
  ])
  func `what is no digest is refused`(digest: String) {
    #expect(throws: (any Error).self) { try TemplateFiles.check(digest) }
  }
}

@Suite struct SubordinateIDTests {
  @Test(arguments: [
    ("", false), ("user:100000:65536\n", false), ("other:268435456:65536\n", true), ("other:268435455:1\n", false),
    ("other:268435455:2\n", true), ("other:1:4294967295\n", true), ("other:335544319:1", true),
    ("other:335544320:65536", false), ("nodeagent-container:268435456:67108864\n", false),
    ("x:y:z\nother\n::\n", false),
    ("other:268435456:0\n", false), ("other:300000000:99999999999\n", false),
  ])
  func `ranges of others are seen`(text: String, overlaps: Bool) {
    #expect(InstanceNumber.overlaps(268_435_456...335_544_319, subordinates: text) == overlaps)
  }
}
