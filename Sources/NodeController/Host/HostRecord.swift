// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// What the node controller remembers of a launched container until the next boot: `run/nodeagent/host/NAME.json`.
struct HostRecord: Codable, Sendable, Hashable {
  var address: String?
  var address6: String?
  var publications: [HostMethods.Publication]
  /// Containers that it may talk to; `nil` in records of versions without links.
  var links: [String]?
  /// What it serves; `nil` in records of versions that were not told.
  var served: [HostMethods.Served]?
  var bandwidth: BandwidthLimits?
  /// PID 1 of the container, by the two numbers that name a process for one boot.
  var pid: Int32
  var startTime: UInt64
}
