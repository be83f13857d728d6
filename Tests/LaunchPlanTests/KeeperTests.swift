// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel
import Testing

@testable import LaunchPlan

@Suite struct KeeperTests {
  private static let plan: KeepPlan = {
    var plan = bare
    plan.identity = "1.abc"
    return plan
  }()
  private static let bare = KeepPlan(
    name: "svc",
    workload: Workload(
      arguments: ["/bin/a", "b"], environment: ["A=1"], workingDirectory: "/tmp", uid: 5, gid: 6, groups: [7],
      limits: [.init(resource: 7, soft: 1, hard: 2)]), entrances: 4, sockets: ["front"], uid: 8, gid: 9,
    journal: Array("X=1\n".utf8))

  private static let events: [KeeperEvent] = [
    .keyring(-5), .keyring(.max), .started(pid: 12), .notice(.ready), .notice(.reloading), .notice(.stopping),
    .notice(.heartbeat),
    .notice(.distress),
    .text("at work"), .exited(.exited(3)), .exited(.signaled(9, coreDumped: true)),
    .failed(stage: "s", error: SyscallError(call: "execve", object: "/bin/a", errno: 2)),
    .status(.init(pid: 1, ready: true, heartbeat: .max, text: "t")),
  ]

  @Test func `a plan survives its encoding`() throws {
    #expect(try KeepPlan(decoding: Self.plan.encoded()) == Self.plan)
    #expect(try KeeperRequest(decoding: KeeperRequest.keep(Self.plan).encoded()) == .keep(Self.plan))
    #expect(try KeeperRequest(decoding: KeeperRequest.status.encoded()) == .status)
  }

  @Test(arguments: events) func `an event survives its encoding`(event: KeeperEvent) throws {
    #expect(try KeeperEvent(decoding: event.encoded()) == event)
  }

  @Test func `any other bytes are refused, and nothing breaks`() {
    var random = SystemRandomNumberGenerator()
    let valid = Self.events.map { $0.encoded() } + [KeeperRequest.keep(Self.plan).encoded()]
    for _ in 0..<20_000 {
      var bytes = valid.randomElement(using: &random) ?? []
      for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        if Bool.random(using: &random) {
          bytes[index] = UInt8.random(in: 0...255, using: &random)
        } else {
          bytes.remove(at: index)
        }
      }
      // What is decoded after all is encoded to something that decodes again.
      if let event = try? KeeperEvent(decoding: bytes) {
        #expect((try? KeeperEvent(decoding: event.encoded())) == event)
      }
      if let request = try? KeeperRequest(decoding: bytes) {
        #expect((try? KeeperRequest(decoding: request.encoded())) == request)
      }
    }
  }
}
