// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LogStore
import Logging

/// What every identity of a manager works with.
struct IdentityServices: Sendable {
  let issuer: any CertificateIssuer
  let files: IdentityFiles
  let events: EventLog
  let logger: Logger
  /// Gets each identity after each change; must not wait.
  let changed: @Sendable (IdentityView) -> Void
  /// Gets the agent's id of each identity that is over; must not wait.
  let gone: @Sendable (String) -> Void
}
