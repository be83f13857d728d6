// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC

/// What a webhook gets: the node's name, and events in their order.
struct WebhookBody: Codable, Sendable {
  var node: String
  var events: [AgentEvent]

  static func encode(_ events: [AgentEvent], node: String) throws -> [UInt8] {
    try JSONCoding.encode(WebhookBody(node: node, events: events))
  }
}
