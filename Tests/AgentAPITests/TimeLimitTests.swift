// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Testing

@Suite struct TimeLimitTests {
  private struct Failure: Error {}

  @Test func `what is done in time is returned or thrown`() async throws {
    #expect(try await TimeLimit.within(60_000) { 7 } == 7)
    await #expect(throws: Failure.self) { try await TimeLimit.within(60_000) { throw Failure() } }
  }

  @Test func `what never ends is not waited for`() async throws {
    let value = try await TimeLimit.within(10) {
      // Deaf to being cancelled.
      await Task.detached { try? await Task.sleep(for: .seconds(3)) }.value
      return 7
    }
    #expect(value == nil)
  }
}
