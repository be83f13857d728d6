// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC

/// A sub-system as the node controller sees it, whoever starts its process: the node controller itself, or systemd.
protocol ManagedSubsystem: Actor {
  var view: SubsystemView { get async }
  func start() async
  /// Returns once it is available or has failed its first start.
  func waitUntilSettled() async
  /// `READY=1` came from the process `sender`.
  func ready(from sender: Int32) async
  /// Stops it; returns when it has ended. `signal` says how.
  func stop(signal: Int32) async
  /// True for the sub-system's own running process: the uid alone could be another program's of that user.
  func isProcess(_ peer: Peer) async -> Bool
}
