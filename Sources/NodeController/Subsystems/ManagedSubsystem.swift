// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LogStore

/// A sub-system as the node controller sees it, whoever starts its process: its own supervisor, or systemd.
///
/// Operations on one sub-system run one after another, in the order of their arrival.
protocol ManagedSubsystem: Actor, LogSource {
  nonisolated var name: String { get }
  var view: SubsystemView { get async }
  /// For the metrics.
  var source: MetricSources.Subsystem { get async }
  /// Its processes, and what they use.
  var details: (view: SubsystemView, processes: [Int32]) { get async }
  var state: SubsystemState { get async }

  /// Takes up what an earlier node controller left. Returns true when it is to run and does not.
  func adopt() async -> Bool
  /// Returns once it is available.
  ///
  /// - Throws: `start failed` with the reason; its restart policy goes on.
  func start(correlation: String?) async throws
  /// Remembers that it is to run, and that `reason` keeps it from that.
  func hold(because reason: String, correlation: String?) async
  /// Returns when it has ended. `signal` instead of its own stop signal.
  func stop(signal: Int32?, correlation: String?) async throws
  func reload(correlation: String?) async throws
  /// Runs a command beside its process, as the same user. `timeout` in milliseconds; returns the end of what it wrote.
  func run(_ command: [String], timeout: Int64) async throws -> String
  /// A new unit file; what runs goes on.
  func update(_ spec: SubsystemSpec) async
  /// Its unit file is gone: nothing of it stays but its log.
  func forget() async
  /// True for the sub-system's own running process: the uid alone could be another program's of that user.
  func isProcess(_ peer: Peer) async -> Bool
}
