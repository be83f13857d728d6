// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging

/// The containers of this controller by name: finds them, makes them, and lets them go.
actor ContainerRegistry {
  private let services: ContainerServices
  private let bundles: BundleStore
  private var containers: [String: Container] = [:]
  /// Names that are being made: not there yet, and taken.
  private var making: Set<String> = []

  init(services: ContainerServices, bundles: BundleStore) {
    self.services = services
    self.bundles = bundles
  }

  // MARK: - Finding

  func find(_ name: String) throws(RPCError) -> Container {
    guard let container = containers[name] else {
      throw RPCError(.notFound, "there is no container \"\(name.prefix(64))\"; nodeagent ps -a lists them")
    }
    return container
  }

  func select(_ names: [String]?) throws(RPCError) -> [Container] {
    guard let names else { return containers.values.sorted { $0.name < $1.name } }
    var found: [Container] = []
    for name in names { found.append(try find(name)) }
    return found
  }

  func users(of digest: String) async -> [String] {
    var names: [String] = []
    for container in containers.values where await container.digest == digest { names.append(container.name) }
    return names.sorted()
  }

  // MARK: - Making

  func create(_ spec: ContainerSpec, correlation: String) async throws -> Container {
    if let problem = ContainerSpec.problem(withName: spec.name) {
      throw RPCError(.invalidParams, "params.name: \(problem)")
    }
    let bundle = try await bundles.find(spec.bundle)
    try Self.check(spec, against: bundle.descriptor)
    for name in spec.links ?? [] where containers[name] == nil {
      throw RPCError(
        .notFound, "params.links: there is no container \"\(name.prefix(64))\" to link to; create it first")
    }
    guard spec.links?.count ?? 0 <= 64 else { throw RPCError(.invalidParams, "params.links: at most 64") }
    guard containers[spec.name] == nil, making.insert(spec.name).inserted else {
      throw RPCError(
        .alreadyExists, "there is a container \(spec.name) already; remove it first: nodeagent rm \(spec.name)")
    }
    defer { making.remove(spec.name) }
    services.events.add(
      kind: "container", name: spec.name, event: ContainerState.preparing.rawValue, cause: nil, correlation: correlation
    )
    let place = try await place(spec.name)
    services.faults.pass("create.placed")
    let record = ContainerRecord(
      spec: spec, digest: bundle.digest, reference: bundle.reference, descriptor: bundle.descriptor,
      created: Timestamp.now, firstUID: place.firstUID, stateDirectory: place.stateDirectory)
    do {
      try services.store.write(record, durable: true)
    } catch {
      _ = try? await services.host.call(HostMethods.remove, .init(name: spec.name))
      throw error
    }
    services.faults.pass("create.written")
    let container = Container(record, life: Lifecycle(state: .created), services: services)
    containers[spec.name] = container
    await services.health.configure(spec.name, bundle.descriptor.checks ?? [])
    services.events.add(
      kind: "container", name: spec.name, event: ContainerState.created.rawValue, cause: nil, correlation: correlation)
    return container
  }

  /// Has the host make a place. When the answer was lost with its node controller, what that had made is taken back.
  private func place(_ name: String) async throws -> HostMethods.Place {
    do {
      return try await services.host.call(HostMethods.create, .init(name: name))
    } catch let error as RPCError {
      guard error.code == .unavailable else { throw error }
      do {
        try await services.host.call(HostMethods.remove, .init(name: name))
      } catch {
        // The usual case: it had made nothing.
        if (error as? RPCError)?.code != .notFound {
          services.logger.warning(
            "what a lost call may have made is taken back later",
            metadata: ["container": "\(name)", "error": "\(error)"])
          Task { await self.takeBack(name) }
        }
      }
      throw error
    }
  }

  /// Tries until the node controller is back.
  private func takeBack(_ name: String) async {
    for attempt in 0... {
      try? await Task.sleep(for: .seconds(min(1 << min(attempt, 6), 60)))
      // Somebody has made it meanwhile, so nothing was left of the lost call.
      guard containers[name] == nil else { return }
      guard making.insert(name).inserted else { continue }
      defer { making.remove(name) }
      do {
        try await services.host.call(HostMethods.remove, .init(name: name))
        return
      } catch let error as RPCError where error.code == .notFound {
        return
      } catch {
        services.logger.warning(
          "what a lost call may have made is not taken back yet",
          metadata: ["container": "\(name)", "error": "\(error)"])
      }
    }
  }

  private static func check(_ spec: ContainerSpec, against descriptor: BundleDescriptor) throws(RPCError) {
    if let command = spec.command, command.first?.isEmpty ?? true {
      throw RPCError(.invalidParams, "params.command needs at least the program")
    }
    let texts = (spec.command ?? []) + (spec.environment ?? [:]).flatMap { [$0.key, $0.value] }
    guard !texts.contains(where: { $0.utf8.contains(0) }) else {
      throw RPCError(.invalidParams, "commands and variables have no NUL bytes")
    }
    for name in spec.environment?.keys ?? [:].keys where name.isEmpty || name.contains("=") {
      throw RPCError(.invalidParams, "params.environment: \"\(name.prefix(64))\" is no name for a variable")
    }
    // A plan travels in one message to PID 1; what is larger than this belongs into a file of the bundle.
    guard texts.reduce(0, { $0 + $1.utf8.count + 8 }) <= 96 << 10 else {
      throw RPCError(
        .invalidParams, "command and environment are longer than 96 KiB; put large values into a file of the bundle")
    }
    for name in (spec.publish ?? [:]).keys where !descriptor.endpoints.contains(where: { $0.name == name }) {
      let known = descriptor.endpoints.map(\.name).joined(separator: ", ")
      throw RPCError(
        .invalidParams,
        "params.publish.\(name.prefix(64)): the bundle has \(known.isEmpty ? "no endpoints" : "the endpoints \(known)")"
      )
    }
    if let memory = spec.resources?.memory, memory < 1 << 20 {
      throw RPCError(.invalidParams, "params.resources.memory is at least 1048576 bytes")
    }
    if let problem = spec.identityFiles.flatMap(BundleDescriptor.Identity.problem(withFiles:)) {
      throw RPCError(.invalidParams, "params.identityFiles \(problem)")
    }
    guard spec.identityFiles == nil || spec.identity != false else {
      throw RPCError(.invalidParams, "params.identityFiles needs an identity, which params.identity says it has not")
    }
    if let pids = spec.resources?.pids, pids < 1 {
      throw RPCError(.invalidParams, "params.resources.pids is at least 1")
    }
    for (member, rate) in [("receiveRate", spec.resources?.receiveRate), ("sendRate", spec.resources?.sendRate)] {
      guard rate.map(BandwidthLimits.range.contains) ?? true else {
        throw RPCError(
          .invalidParams,
          "params.resources.\(member) is \(BandwidthLimits.range.lowerBound) to \(BandwidthLimits.range.upperBound)")
      }
    }
    if let cpu = spec.resources?.cpuMilli, !(10...1_000_000).contains(cpu) {
      throw RPCError(.invalidParams, "params.resources.cpuMilli is 10 to 1000000")
    }
  }

  func run(_ spec: ContainerSpec, correlation: String) async throws -> ContainerView {
    let container = try await create(spec, correlation: correlation)
    do {
      return try await container.start(correlation: correlation)
    } catch {
      do {
        try await remove(spec.name, force: true, correlation: correlation)
      } catch let second {
        services.logger.error(
          "a container that could not be started was not removed",
          metadata: ["container": "\(spec.name)", "error": "\(second)"])
      }
      throw error
    }
  }

  func remove(_ name: String, force: Bool, correlation: String) async throws {
    let container = try find(name)
    try await container.remove(force: force, correlation: correlation)
    if containers[name] === container { containers[name] = nil }
    await services.health.configure(name, [])
  }

  // MARK: - Start and end of the controller

  /// Rebuilds the view: adopts what runs, finishes what was cut off, and has the host remove what nobody knows.
  func load(_ inventory: HostMethods.Inventory) async throws {
    try services.store.prepare()
    let records = try services.store.load()
    let places = Dictionary(inventory.containers.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    for record in records {
      let name = record.spec.name
      guard places[name] != nil else {
        // The controller ended between the host's removal and its own.
        try services.launcher.forgetRun(name)
        try services.store.remove(name)
        services.events.add(
          kind: "container", name: name, event: ContainerState.destroyed.rawValue, cause: "its removal was finished",
          correlation: nil)
        continue
      }
      let rest: ContainerState =
        record.state.isRunning ? .initializing : record.state == .destroying ? .stopped : record.state
      containers[name] = Container(record, life: Lifecycle(state: rest, reason: record.reason), services: services)
      await services.health.configure(name, record.descriptor.checks ?? [])
    }
    for (name, place) in places where containers[name] == nil {
      services.events.add(
        kind: "container", name: name, event: ContainerState.destroyed.rawValue,
        cause: place.running ? "it belonged to nobody" : "its making had been cut off", correlation: nil)
      services.launcher.endRecorded(name)
      try services.launcher.forgetRun(name)
      try await services.host.call(HostMethods.remove, .init(name: name))
    }
    await withTaskGroup(of: Void.self) { group in
      for container in containers.values { group.addTask { await container.adopt() } }
    }
  }

  /// One line for the service manager.
  var summary: String {
    get async {
      var running = 0
      for container in containers.values where await container.state.isRunning { running += 1 }
      return "\(running) of \(containers.count) containers run"
    }
  }

  /// Stops all containers, side by side. `untilBoot`: those that run now are meant to run after the next boot, too.
  func stopAll(untilBoot: Bool) async {
    await withTaskGroup(of: Void.self) { group in
      for container in containers.values {
        let logger = services.logger
        group.addTask {
          do {
            _ = try await container.stop(timeout: nil, untilBoot: untilBoot, correlation: nil)
          } catch {
            logger.error("cannot stop", metadata: ["container": "\(container.name)", "error": "\(error)"])
          }
        }
      }
    }
  }
}
