// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Synchronization
import Testing

@Suite struct MailboxTests {
  @Test func `operations run one after another, in order`() async throws {
    let mailbox = Mailbox()
    let order = Mutex<[Int]>([])
    let inside = Atomic<Int>(0)
    for index in 0..<100 {
      mailbox.post {
        #expect(inside.add(1, ordering: .relaxed).newValue == 1)
        await Task.yield()
        order.withLock { $0.append(index) }
        inside.subtract(1, ordering: .relaxed)
      }
    }
    _ = try await mailbox.perform { 0 }
    #expect(order.withLock { $0 } == Array(0..<100))
  }

  @Test func `a failure goes to who asked, and the next operation runs`() async throws {
    struct Failure: Error {}
    let mailbox = Mailbox()
    await #expect(throws: Failure.self) { try await mailbox.perform { throw Failure() } }
    #expect(try await mailbox.perform { 7 } == 7)
  }
}
