// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// Takes events somewhere. It has taken all of them when it returns, and perhaps some when it throws.
protocol EventDelivery: Sendable {
  /// Of one call.
  var mostEvents: Int { get }
  func deliver(_ events: [AgentEvent]) async throws
}

/// Why events were not taken.
struct DeliveryFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
