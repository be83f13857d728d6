// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// A container as its controller remembers it over restarts and reboots: `containers/NAME.json`.
struct ContainerRecord: Codable, Sendable, Hashable {
  var spec: ContainerSpec
  var digest: String
  var reference: String
  var descriptor: BundleDescriptor
  var created: String
  var firstUID: UInt32
  var stateDirectory: String
  /// It is meant to run: a controller that starts acts on its end by the restart policy.
  var wanted = false
  var state = ContainerState.created
  var reason: String?
  var restarts = 0
  var started: Int64?
  var finished: Int64?
  var exitCode: Int32?
  var exitSignal: Int32?
  var outOfMemory = false
  /// It has the next certificate, or is about to, and its bundle's command for that has not run yet.
  var renewalDue: Bool?

  var resources: Resources { descriptor.resources.replaced(by: spec.resources) }
  var restartPolicy: RestartPolicy { spec.restart ?? descriptor.restart }
  /// `nil`: it has none.
  var identity: BundleDescriptor.Identity? {
    guard spec.identity ?? (spec.identityFiles != nil || descriptor.identity != nil) else { return nil }
    var identity = descriptor.identity ?? .init()
    identity.files = spec.identityFiles ?? identity.files
    return identity
  }
  var network: NetworkMode { spec.network ?? descriptor.network }

  /// The endpoints to publish, with the wanted ports.
  var publications: [HostMethods.Publication] {
    guard network == .private else { return [] }
    return descriptor.endpoints.compactMap { endpoint in
      (spec.publish?[endpoint.name] ?? endpoint.publish).map {
        var publication = HostMethods.Publication(
          name: endpoint.name, proto: endpoint.proto, port: endpoint.port, hostPort: $0, scope: endpoint.scope,
          count: endpoint.count)
        publication.rate = endpoint.rate
        publication.ratePerSource = endpoint.ratePerSource
        return publication
      }
    }
  }

  /// All endpoints, published or not.
  var served: [HostMethods.Served] {
    guard network == .private else { return [] }
    return descriptor.endpoints.map {
      .init(name: $0.name, proto: $0.proto, port: $0.port, count: $0.count, scope: $0.scope)
    }
  }
}

/// A container's run as it is remembered until it ends or the machine is booted anew: `NAME/runtime.json`.
struct RuntimeRecord: Codable, Sendable, Hashable {
  var pid: Int32
  /// Clock ticks since boot (proc(5), field 22 of stat): with the pid, a name that is never given twice.
  var startTime: UInt64
  var started: Int64
  var address: String?
  var address6: String?
  var publications: [HostMethods.Publication]
  var cgroups: [String]
  /// The host's end of its network interface; `nil` in records of versions that did not keep it, too.
  var interface: String?
  /// The agent's id in its identity.
  var agent: String?
}
