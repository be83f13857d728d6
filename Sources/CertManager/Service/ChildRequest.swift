// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile

/// What a manager asks an authority for, for an agent on its node: the body of `POST /issue`.
struct ChildRequest: Codable, Sendable {
  /// PEM; signed by the agent's key.
  var csr: String
  var agent: String
  var subsystem: String
  var endpoints: [String]
  var names: [String]
  var capabilities: AgentCapabilities
  /// Seconds.
  var life: Double
  /// `issued` or `renewed`.
  var event: String
  /// The answer to the same request was lost.
  var again: Bool?
}
