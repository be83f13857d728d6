// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC

/// What has health checks: the node controller knows of sub-systems and the node, the container controller of containers.
enum HealthOwners {
  private static let prefix = "container/"

  static func text(_ view: HealthView) -> String { view.ownerKind == .container ? prefix + view.owner : view.owner }

  /// The checks of these owners; of all when none is named.
  static func list(_ options: InstanceOptions, _ owners: [String]) throws -> [HealthView] {
    let ofNode = owners.filter { !$0.hasPrefix(prefix) }
    let ofContainers = owners.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
    var views: [HealthView] = []
    if owners.isEmpty || !ofNode.isEmpty {
      views = try options.controller().call(HealthMethods.list, .init(owners: owners.isEmpty ? nil : ofNode))
    }
    do {
      views += try options.containers().call(
        HealthMethods.list, .init(owners: owners.isEmpty ? nil : ofContainers))
    } catch let error as RPCError where error.code == .unavailable {
      // What is known is worth more than nothing.
      Terminal.complain("the containers' checks are not shown: \(error.message)")
    }
    return views
  }

  static func maintenance(_ options: InstanceOptions, _ owner: String, on: Bool) throws {
    if owner.hasPrefix(prefix) {
      let name = String(owner.dropFirst(prefix.count))
      _ = try options.containers().call(HealthMethods.maintenance, .init(owners: [name], on: on))
      return
    }
    do {
      _ = try options.controller().call(HealthMethods.maintenance, .init(owners: [owner], on: on))
    } catch let error as RPCError where error.code == .notFound {
      do {
        _ = try options.containers().call(HealthMethods.maintenance, .init(owners: [owner], on: on))
      } catch let second as RPCError where second.code == .notFound {
        throw RPCError(.notFound, "there is no sub-system and no container \(owner.prefix(64))")
      }
    }
  }
}
