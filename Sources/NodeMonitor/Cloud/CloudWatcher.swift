// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import Logging
import Metrics

/// Keeps what the cloud says of this machine: the facts seldom asked for, the notices often.
actor CloudWatcher {
  /// What is known now.
  struct State: Sendable, Hashable {
    var provider: String
    var facts: CloudFacts?
    var notice: String?
    /// Why it does not answer.
    var failure: String?
  }

  private let provider: any CloudProvider
  private let logger: Logger
  private(set) var state: State
  private var asked: UInt64 = 0

  /// A spot instance has two minutes.
  private static let interval: Duration = .seconds(15)
  private static let longestPause: Duration = .seconds(600)
  private static let factsNanoseconds: UInt64 = 3600 * 1_000_000_000

  init(_ provider: any CloudProvider, logger: Logger) {
    self.provider = provider
    self.logger = logger
    state = State(provider: type(of: provider).name)
  }

  /// Until it is cancelled.
  func run() async {
    var pause = Self.interval
    while !Task.isCancelled {
      await step()
      // Where nobody answers there is probably no cloud.
      pause = state.failure == nil ? Self.interval : min(pause * 2, Self.longestPause)
      try? await Task.sleep(for: pause, tolerance: .seconds(1))
    }
  }

  func step() async {
    do {
      let now = Clock.monotonicNanoseconds()
      if state.facts == nil || now - asked > Self.factsNanoseconds {
        state.facts = try await provider.facts()
        asked = now
      }
      state.notice = try await provider.notice()
      state.failure = nil
    } catch {
      if state.failure == nil {
        logger.notice("the cloud does not answer", metadata: ["provider": "\(state.provider)", "error": "\(error)"])
      }
      state.failure = "\(error)"
    }
  }
}
