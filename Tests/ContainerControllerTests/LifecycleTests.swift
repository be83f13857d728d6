// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Testing

@testable import ContainerController

@Suite struct LifecycleTests {
  static let events: [Lifecycle.Event] = [
    .made, .startAsked, .ready, .notReady, .startFailed("x"), .stopAsked, .ended(reason: nil), .ended(reason: "x"),
    .removeAsked, .removed,
  ]

  /// Every pair that leads somewhere; every other one is refused and changes nothing.
  static let legal: [ContainerState: [String: ContainerState]] = [
    .preparing: ["made": .created, "removeAsked": .destroying],
    .created: ["startAsked": .initializing, "removeAsked": .destroying],
    .initializing: [
      "ready": .available, "notReady": .unavailable, "startFailed": .failed, "stopAsked": .stopping,
      "ended well": .stopped,
      "ended badly": .failed,
    ],
    .available: ["notReady": .unavailable, "stopAsked": .stopping, "ended well": .stopped, "ended badly": .failed],
    .unavailable: ["ready": .available, "stopAsked": .stopping, "ended well": .stopped, "ended badly": .failed],
    .stopping: ["ended well": .stopped, "ended badly": .failed],
    .stopped: ["startAsked": .initializing, "removeAsked": .destroying],
    .failed: ["startAsked": .initializing, "removeAsked": .destroying],
    .destroying: ["removed": .destroyed],
    .destroyed: [:],
  ]

  private static func name(_ event: Lifecycle.Event) -> String {
    switch event {
    case .ended(reason: nil): "ended well"
    case .ended: "ended badly"
    case .startFailed: "startFailed"
    default: "\(event)"
    }
  }

  @Test(arguments: ContainerState.allCases)
  func `every event in every state does what the table says`(state: ContainerState) throws {
    for event in Self.events {
      var life = Lifecycle(state: state)
      if let next = Self.legal[state]?[Self.name(event)] {
        try life.apply(event)
        #expect(life.state == next)
      } else {
        #expect(throws: Lifecycle.Refusal.self) { try life.apply(event) }
        #expect(life.state == state)
      }
    }
  }

  @Test func `a reason is told while it holds`() throws {
    var life = Lifecycle(state: .available)
    try life.apply(.ended(reason: "out of memory"))
    #expect(life.reason == "out of memory")
    try life.apply(.startAsked)
    #expect(life.reason == nil)
  }
}

@Suite struct RestartTests {
  @Test func `the pause doubles and is bounded`() {
    #expect(
      (0...12).map(RestartDecision.backoff) == [
        100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000, 60000,
      ])
  }

  @Test(
    arguments: [
      (RestartPolicy(.never), true, nil), (RestartPolicy(.onFailure), false, nil),
      (RestartPolicy(.onFailure), true, 100),
      (RestartPolicy(.always), false, 100),
    ] as [(RestartPolicy, Bool, Int64?)])
  func `the policy decides`(policy: RestartPolicy, failed: Bool, expected: Int64?) {
    var decision = RestartDecision()
    #expect(decision.next(policy, failed: failed, ranSeconds: 0) == expected)
  }

  @Test func `the limit holds, and a good run starts it anew`() {
    var decision = RestartDecision()
    let policy = RestartPolicy(.always, limit: 2)
    #expect((0..<3).map { _ in decision.next(policy, failed: true, ranSeconds: 1) } == [100, 200, nil])
    #expect(decision.next(policy, failed: true, ranSeconds: 11) == 100)
  }
}
