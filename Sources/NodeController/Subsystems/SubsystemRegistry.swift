// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import JSONRPC
import LinuxKernel
import LogStore
import Logging

/// All sub-systems, with what they need of each other: makes plans and carries them out.
actor SubsystemRegistry {
  private let units: SubsystemUnits
  private let events: EventLog
  private let logger: Logger
  /// Makes a sub-system for a specification.
  private let make: @Sendable (SubsystemSpec) -> any ManagedSubsystem
  /// Those that come with the agent and have no file.
  private let fixed: Set<String>
  private var graph: SubsystemGraph
  private var subsystems: [String: any ManagedSubsystem] = [:]

  init(
    units: SubsystemUnits, fixed: [any ManagedSubsystem], specs: [SubsystemSpec], events: EventLog, logger: Logger,
    make: @escaping @Sendable (SubsystemSpec) -> any ManagedSubsystem
  ) throws {
    self.units = units
    self.events = events
    self.logger = logger
    self.make = make
    self.fixed = Set(fixed.map(\.name))
    graph = try SubsystemGraph(Dictionary(specs.map { ($0.name, $0) }, uniquingKeysWith: { $1 }))
    for subsystem in fixed { subsystems[subsystem.name] = subsystem }
  }

  // MARK: - Looking

  func find(_ name: String) throws -> any ManagedSubsystem {
    guard let subsystem = subsystems[name] else {
      throw RPCError(
        .notFound,
        "there is no sub-system \(name)\(Nearest.hint(name, in: subsystems.keys.sorted())); unit files are in \(units.directory)"
      )
    }
    return subsystem
  }

  /// - Throws: `wrong state` for one whose log systemd keeps.
  func withOwnLog(_ name: String) throws -> any ManagedSubsystem {
    let subsystem = try find(name)
    guard let unit = graph.specs[name]?.unit else { return subsystem }
    throw RPCError(
      .wrongState, "\(name) is a unit of systemd, which keeps its log: journalctl -u \(unit)",
      data: ["unit": .string(unit)])
  }

  func list(_ names: [String]?) async throws -> [SubsystemView] {
    let chosen = try names.map { try $0.map(find) } ?? subsystems.values.sorted { $0.name < $1.name }
    var views: [SubsystemView] = []
    for subsystem in chosen { views.append(await subsystem.view) }
    return views
  }

  /// For the metrics.
  func sources() async -> [MetricSources.Subsystem] {
    var found: [MetricSources.Subsystem] = []
    for (_, subsystem) in subsystems.sorted(by: { $0.key < $1.key }) {
      found.append(await subsystem.source)
    }
    return found
  }

  func inspect(_ name: String) async throws -> SubsystemDetails {
    let subsystem = try find(name)
    let details = await subsystem.details
    return SubsystemDetails(
      view: details.view, spec: graph.specs[name] ?? SubsystemSpec(name: name),
      dependents: graph.dependents(of: name).sorted(), processes: details.processes)
  }

  private func running() async -> Set<String> {
    var found: Set<String> = []
    for (name, subsystem) in subsystems {
      if [.starting, .available, .reloading, .backoff].contains(await subsystem.state) { found.insert(name) }
    }
    return found
  }

  // MARK: - Starting with the agent

  /// Reads the unit files, takes up what runs already, and returns what is to be started.
  ///
  /// A file with an error keeps only its own sub-system, and those that need it, from being known: the node has to come
  /// up.
  func load(known: [String], adoptedSpec: (String) -> SubsystemSpec?) async throws -> [String] {
    var reading = try units.read()
    for problem in reading.problems { complain(problem.name, problem.description) }
    for name in fixed { reading.specs[name] = graph.specs[name] }
    while true {
      do {
        graph = try SubsystemGraph(reading.specs)
        break
      } catch {
        guard error.names.contains(where: { reading.specs[$0] != nil && !fixed.contains($0) }) else { throw error }
        for name in error.names where !fixed.contains(name) { reading.specs[name] = nil }
        complain(error.names.first ?? "", error.description)
      }
    }
    for (name, spec) in graph.specs where subsystems[name] == nil { subsystems[name] = make(spec) }
    await end(known.filter { graph.specs[$0] == nil }, adoptedSpec)
    var wanted = graph.specs.values.filter { $0.start == .boot }.map(\.name)
    for name in graph.order { if await subsystems[name]?.adopt() ?? false { wanted.append(name) } }
    return wanted
  }

  /// What runs and has no unit file any more.
  private func end(_ names: [String], _ adoptedSpec: (String) -> SubsystemSpec?) async {
    for name in names {
      guard let spec = adoptedSpec(name) else { continue }
      let subsystem = make(spec)
      _ = await subsystem.adopt()
      do {
        try await subsystem.stop(signal: nil, correlation: nil)
      } catch {
        logger.error("cannot stop a sub-system", metadata: ["subsystem": "\(name)", "error": "\(error)"])
      }
      await subsystem.forget()
      events.add(kind: "subsystem", name: name, event: "forgotten", cause: "its file is gone", correlation: nil)
    }
  }

  private func complain(_ name: String, _ problem: String) {
    logger.error("a unit file cannot be used", metadata: ["subsystem": "\(name)", "problem": "\(problem)"])
    events.add(
      kind: "subsystem", name: name, event: "unit refused", severity: .error, cause: problem, correlation: nil)
  }

  // MARK: - Requests

  func start(_ names: [String], dryRun: Bool, correlation: String?) async throws -> SubsystemPlan {
    for name in names { _ = try find(name) }
    return await finish(graph.startPlan(names, running: await running()), dryRun, correlation)
  }

  func stop(_ names: [String], dryRun: Bool, correlation: String?) async throws -> SubsystemPlan {
    for name in names {
      _ = try find(name)
      if fixed.contains(name) {
        throw RPCError(.wrongState, "\(name) is a part of the agent; nodeagent down stops it, with the agent")
      }
    }
    // Also one that has failed or waits is asked to stop: then it does not come back.
    var running = await running()
    for name in names {
      let state = await subsystems[name]?.state
      if state == .failed || state == .waiting { running.insert(name) }
    }
    return await finish(graph.stopPlan(names, running: running), dryRun, correlation)
  }

  func restart(_ names: [String], dryRun: Bool, correlation: String?) async throws -> SubsystemPlan {
    for name in names { _ = try find(name) }
    return await finish(graph.restartPlan(names, running: await running()), dryRun, correlation)
  }

  func reload(_ names: [String], dryRun: Bool, correlation: String?) async throws -> SubsystemPlan {
    for name in names { _ = try find(name) }
    let steps = names.map { SubsystemPlan.Step(action: .reload, name: $0, reason: "asked for") }
    return await finish(SubsystemPlan(steps: steps), dryRun, correlation)
  }

  func apply(dryRun: Bool, correlation: String?) async throws -> SubsystemPlan {
    let reading = try units.read()
    guard reading.problems.isEmpty else {
      throw RPCError(
        .invalidParams, "nothing was changed: \(reading.problems.map(\.description).joined(separator: "; "))")
    }
    var specs = reading.specs
    for name in fixed {
      guard specs[name] == nil else {
        throw RPCError(.invalidParams, "nothing was changed: \(name) is a part of the agent and takes no unit file")
      }
      specs[name] = graph.specs[name]
    }
    let new: SubsystemGraph
    do {
      new = try SubsystemGraph(specs)
    } catch {
      throw RPCError(.invalidParams, "nothing was changed: \(error)")
    }
    for (name, spec) in specs {
      if let known = graph.specs[name], known.unit != spec.unit {
        throw RPCError(
          .invalidParams,
          "nothing was changed: \(name) runs as another unit; take its file away, reload, and put it back first")
      }
    }
    let plan = SubsystemChange(old: graph, new: new).plan(running: await running(), fixed: fixed)
    guard !dryRun else { return plan }
    let before = graph
    graph = new
    for (name, spec) in new.specs where subsystems[name] == nil { subsystems[name] = make(spec) }
    for (name, spec) in new.specs where before.specs[name] != spec && !fixed.contains(name) {
      await subsystems[name]?.update(spec)
    }
    return await finish(plan, false, correlation)
  }

  /// Those that the agent ends with itself, in order; `signal` is for those that come with it.
  func stopAll(onlyFixed: Bool, signal: Int32) async {
    let names = onlyFixed ? Array(fixed) : graph.order
    var running = await running()
    for name in names where await subsystems[name]?.state == .waiting { running.insert(name) }
    let plan = graph.stopPlan(names, running: onlyFixed ? running.intersection(fixed) : running)
    for step in await carryOut(plan, correlation: nil, signal: signal).steps where step.problem != nil {
      logger.error(
        "cannot stop a sub-system", metadata: ["subsystem": "\(step.name)", "error": "\(step.problem ?? "")"])
    }
  }

  /// Another spec for a part of the agent, which is started again where it runs by an older one.
  func renew(_ spec: SubsystemSpec) async throws {
    guard let subsystem = subsystems[spec.name] as? Subsystem, fixed.contains(spec.name) else { return }
    if graph.specs[spec.name] != spec {
      var specs = graph.specs
      specs[spec.name] = spec
      graph = try SubsystemGraph(specs)
      await subsystem.update(spec)
    }
    if await subsystem.isOutdated { try await heal(spec.name) }
  }

  /// Starts one again that does not do its work; what requires it goes on.
  func heal(_ name: String) async throws {
    let subsystem = try find(name)
    try await subsystem.stop(signal: nil, correlation: nil)
    try await subsystem.start(correlation: nil)
  }

  func run(_ command: [String], beside name: String, timeout: Int64) async throws -> String {
    try await find(name).run(command, timeout: timeout)
  }

  func takeIdentity(_ name: String, _ agent: String, _ token: String) async throws {
    try await (find(name) as? Subsystem)?.takeIdentity(agent, token)
  }

  func spec(of name: String) -> SubsystemSpec? { graph.specs[name] }

  /// The checks of each.
  var checks: [String: [HealthCheck]] { graph.specs.mapValues(\.checks) }

  /// Those whose process does its work, as far as is known.
  func available() async -> [String] {
    var names: [String] = []
    for (name, subsystem) in subsystems where await subsystem.state == .available { names.append(name) }
    return names
  }

  // MARK: - Carrying out

  private func finish(_ plan: SubsystemPlan, _ dryRun: Bool, _ correlation: String?) async -> SubsystemPlan {
    dryRun ? plan : await carryOut(plan, correlation: correlation, signal: nil)
  }

  /// Each step as soon as those before it are done, whatever became of them; the others at the same time.
  private func carryOut(_ plan: SubsystemPlan, correlation: String?, signal: Int32?) async -> SubsystemPlan {
    var tasks: [Task<String?, Never>] = []
    for step in plan.steps {
      let first = step.after.map { tasks[$0] }
      tasks.append(
        Task {
          for task in first { _ = await task.value }
          return await self.perform(step, correlation, signal)
        })
    }
    var done = plan
    done.done = true
    for (index, task) in tasks.enumerated() { done.steps[index].problem = await task.value }
    return done
  }

  /// Returns what went wrong.
  private func perform(_ step: SubsystemPlan.Step, _ correlation: String?, _ signal: Int32?) async -> String? {
    guard let subsystem = subsystems[step.name] else { return "\(step.name) is gone" }
    do {
      switch step.action {
      case .start:
        if let missing = await missing(for: step.name) {
          await subsystem.hold(because: missing, correlation: correlation)
          return missing
        }
        try await subsystem.start(correlation: correlation)
      case .stop:
        try await subsystem.stop(signal: fixed.contains(step.name) ? signal : nil, correlation: correlation)
      case .reload: try await subsystem.reload(correlation: correlation)
      case .restart:
        try await subsystem.stop(signal: nil, correlation: correlation)
        try await subsystem.start(correlation: correlation)
      case .add, .update: break
      case .forget:
        await subsystem.forget()
        subsystems[step.name] = nil
      }
      return nil
    } catch {
      return (error as? RPCError)?.message ?? "\(error)"
    }
  }

  /// What `name` requires and is not there, as a sentence.
  private func missing(for name: String) async -> String? {
    for required in graph.specs[name]?.requires ?? [] {
      let state = await subsystems[required]?.state
      if state != .available && state != .reloading {
        return "it requires \(required), which is \(state?.rawValue ?? "gone")"
      }
    }
    return nil
  }

  /// A unit of systemd has changed; it may be one of these.
  func unitChanged(_ unit: String) async {
    for case let subsystem as UnitSubsystem in subsystems.values { await subsystem.unitChanged(unit) }
  }

  /// Starts those that waited for a sub-system that has become available.
  func changed(_ name: String, _ state: SubsystemState) async {
    guard state == .available else { return }
    var waiting: [String] = []
    for spec in graph.specs.values where spec.requires.contains(name) {
      if await subsystems[spec.name]?.state == .waiting, await missing(for: spec.name) == nil {
        waiting.append(spec.name)
      }
    }
    guard !waiting.isEmpty else { return }
    _ = await carryOut(graph.startPlan(waiting, running: await running()), correlation: nil, signal: nil)
  }
}
