// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC

/// The firewall on `node.sock`.
extension NodeController {
  func addFirewallMethods(to router: inout RPCRouter) {
    router.on(FirewallMethods.list) { [firewall] _, _ in firewall.list() }
    router.on(FirewallMethods.apply) { [firewall] context, change in
      try await Blocking.run { try firewall.apply(change, correlation: context.correlationID) }
    }
    router.on(FirewallMethods.open) { [firewall] context, open in
      try await Blocking.run { try firewall.open(open, correlation: context.correlationID) }
    }
    router.on(FirewallMethods.close) { [firewall] context, close in
      try await Blocking.run { try firewall.close(close, correlation: context.correlationID) }
    }
    router.on(FirewallMethods.confirm) { [firewall] context, _ in
      try await Blocking.run { try firewall.confirm(correlation: context.correlationID) }
      return Empty()
    }
  }
}
