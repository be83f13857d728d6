// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation

/// The newest token of each agent, by its hash and by the agent.
struct TokenIndex {
  private var agents: [Data: String] = [:]
  private var hashes: [String: Data] = [:]

  func agent(_ hash: Data) -> String? { agents[hash] }

  /// Makes the one before void.
  mutating func set(_ hash: Data, of agent: String) {
    remove(agent)
    agents[hash] = agent
    hashes[agent] = hash
  }

  mutating func remove(_ agent: String) {
    if let hash = hashes.removeValue(forKey: agent) { agents[hash] = nil }
  }
}
