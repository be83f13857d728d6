// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import HealthChecks
import JSONRPC
import LinuxKernel
import LogStore

/// What is served on `node.sock`.
extension NodeController {
  func addMethods(to router: inout RPCRouter, order: @escaping @Sendable (Order) -> Void) {
    router.on(NodeMethods.info) { [self] _, _ in
      let release = try FileSystem.readText("/proc/sys/kernel/osrelease")
      return NodeInfo(
        version: AgentVersion.current, instance: instance.id, root: instance.root, pid: getpid(),
        kernel: String(release.filter { !$0.isWhitespace }), cgroups: try layout().mode.rawValue,
        pool: network.pool.ipv4.text, bridge: number.bridge, subsystems: try await subsystems.list(nil))
    }
    router.on(NodeMethods.doctor) { [self] _, _ in
      let doctor = Doctor(instance: instance, layout: try layout(), network: broker.network)
      return try await Blocking.run { doctor.examine() }
    }
    router.on(NodeMethods.status) { [self] _, _ in
      let now = availability.now
      let unhealthy = await health.list(nil).filter { $0.state == .unhealthy }
      let states = try await subsystems.list(nil).map(\.state.rawValue)
      let instance = instance
      let (identity, inventory) = try await Blocking.run { (NodeFacts.identity(), NodeFacts.inventory(instance)) }
      return NodeStatus(
        state: now.state, since: Timestamp.text(microseconds: now.since), reason: now.reason, identity: identity,
        inventory: inventory, subsystems: Dictionary(states.map { ($0, 1) }, uniquingKeysWith: +),
        unhealthy: unhealthy.map { "\($0.owner)/\($0.name)" }
          + containerHealth.checks.filter { $0.state == .unhealthy }.map { "\($0.owner)/\($0.name)" })
    }
    router.on(NodeMethods.markUnavailable) { [availability] context, params in
      try await Blocking.run {
        try availability.markUnavailable(
          params.reason.map { String($0.prefix(500)) }, correlation: context.correlationID)
      }
      return Empty()
    }
    router.on(NodeMethods.markAvailable) { [availability] context, _ in
      try await Blocking.run { try availability.markAvailable(correlation: context.correlationID) }
      return Empty()
    }
    router.on(NodeMethods.shutdown) { _, params in
      order(params.keepContainers == true ? .keepContainers : .stopContainers)
      return Empty()
    }
    router.onStream(HostMethods.open) { [self] context, _ in
      guard await containers.isProcess(context.peer) else {
        throw RPCError(.permissionDenied, "host calls are for the running container controller only")
      }
      let session = HostSession(broker: broker, peer: context.peer, logger: logger)
      return (
        Empty(),
        { socket in
          do {
            let own = SharedDescriptor(try Descriptor.copy(of: socket.descriptor))
            try NamedThread.start("host-session") { session.serve(own) }
          } catch {
            session.logger.error("cannot serve a host channel", metadata: ["error": "\(error)"])
          }
        }
      )
    }
  }

  func addSubsystemMethods(to router: inout RPCRouter) {
    router.on(SubsystemMethods.list) { [self] _, query in
      var views = try await subsystems.list(query.names)
      let checks = Dictionary(grouping: await health.list(nil), by: \.owner)
      for index in views.indices {
        views[index].health = HealthState.worst((checks[views[index].name] ?? []).map(\.state))
      }
      return views
    }
    router.on(SubsystemMethods.inspect) { [self] _, params in
      var details = try await subsystems.inspect(params.name)
      details.view.health = HealthState.worst(await health.list([params.name]).map(\.state))
      return details
    }
    router.on(SubsystemMethods.start) { [subsystems] context, change in
      try await subsystems.start(change.names, dryRun: change.dryRun ?? false, correlation: context.correlationID)
    }
    router.on(SubsystemMethods.stop) { [subsystems] context, change in
      try await subsystems.stop(change.names, dryRun: change.dryRun ?? false, correlation: context.correlationID)
    }
    router.on(SubsystemMethods.restart) { [subsystems] context, change in
      try await subsystems.restart(change.names, dryRun: change.dryRun ?? false, correlation: context.correlationID)
    }
    router.on(SubsystemMethods.reload) { [subsystems] context, change in
      try await subsystems.reload(change.names, dryRun: change.dryRun ?? false, correlation: context.correlationID)
    }
    router.on(SubsystemMethods.apply) { [self] context, params in
      try await apply(dryRun: params.dryRun ?? false, correlation: context.correlationID)
    }
    router.on(SubsystemMethods.logs) { [subsystems, instance] _, query in
      let filter = try LogFilter(query)
      let name = try await subsystems.withOwnLog(query.name).name
      let count = min(max(0, query.last ?? 10_000), 10_000)
      return try await Blocking.run {
        try LogReader(directory: "\(instance.subsystemState)/\(name)").last(count, filter).map(\.entry)
      }
    }
    router.onTopic(LogMethods.topic) { [subsystems, instance, watcher] _, query, sink in
      let filter = try LogFilter(query)
      let source = try await subsystems.withOwnLog(query.name)
      let reader = LogReader(directory: "\(instance.subsystemState)/\(source.name)")
      try await LogFollower(source: source, reader: reader, watcher: watcher).run(query, filter: filter, sink: sink)
    }
  }

  func addMonitorMethods(to router: inout RPCRouter) {
    router.onTopic(HealthMethods.assignments) { [health] _, _, sink in
      for await assignments in await health.assignments() { try await sink.send(assignments) }
    }
    addEventTopic(to: &router)
    router.onTopic(EventSinkMethods.assignments) { [sinks] _, _, sink in
      for await assignments in await sinks.assignments() { try await sink.send(assignments) }
    }
    router.on(EventSinkMethods.fetch) { [events] _, fetch in
      try await Blocking.run {
        let (found, earliest) = try events.next(after: fetch.after, most: min(max(1, fetch.most), 1000))
        return EventSinkMethods.Fetched(events: found, earliest: earliest)
      }
    }
    router.on(EventSinkMethods.report) { [sinks] _, report in
      await sinks.take(report.states)
      return Empty()
    }
    router.onTopic(AlertMethods.assignments) { [alerts] _, _, sink in
      for await assignments in await alerts.assignments() { try await sink.send(assignments) }
    }
    router.on(AlertMethods.report) { [alerts] _, report in
      await alerts.take(report)
      return Empty()
    }
    router.onTopic(NameMethods.assignments) { [firewall] _, _, sink in
      for await names in firewall.followNames() { try await sink.send(names) }
    }
    router.on(MetricMethods.sources) { [self] _, _ in try await sources() }
    router.on(HealthMethods.report) { [health] _, report in
      await health.take(report.results)
      if report.missed > 0 { await health.late(report.missed) }
      return Empty()
    }
  }

  /// What the monitor cannot know by itself.
  private func sources() async throws -> MetricSources {
    let found = await subsystems.sources()
    let checks = await health.list(nil)
    let containers = try await Blocking.run { [broker, firewall] in
      let traffic = Dictionary(
        try firewall.traffic().map { ($0.name, $0.endpoints) }, uniquingKeysWith: { first, _ in first })
      return broker.sources().map { source in
        var source = source
        source.endpoints = traffic[source.name]
        return source
      }
    }
    return MetricSources(
      node: availability.now.state, pid: getpid(), subsystems: found, containers: containers,
      checks: checks.map {
        .init(owner: $0.owner, name: $0.name, state: $0.state, failures: $0.failures, milliseconds: $0.milliseconds)
      } + containerHealth.checks)
  }

  func addHealthMethods(to router: inout RPCRouter) {
    router.on(HealthMethods.mirror) { [containerHealth] _, mirror in
      containerHealth.take(mirror.checks)
      return Empty()
    }
    router.on(HealthMethods.list) { [health] _, query in await health.list(query.owners) }
    router.on(HealthMethods.maintenance) { [health, subsystems] _, params in
      for owner in params.owners where owner != HealthRegistry.node { _ = try await subsystems.find(owner) }
      try await health.maintenance(params.owners, on: params.on)
      return Empty()
    }
  }

  func addEventMethods(to router: inout RPCRouter) {
    router.on(AlertMethods.list) { [alerts] _, _ in await alerts.list() }
    router.on(EventSinkMethods.list) { [sinks] _, _ in await sinks.list() }
    router.on(EventMethods.list) { [events] _, query in
      let filter = try EventFilter(query)
      return try await Blocking.run { try events.list(filter) }
    }
    router.on(EventMethods.report) { [events] _, report in
      for event in report.events { events.append(event) }
      return Empty()
    }
    addEventTopic(to: &router)
  }

  /// Controllers and the monitor follow the same stream.
  private func addEventTopic(to router: inout RPCRouter) {
    router.onTopic(EventMethods.topic) { [events] _, query, sink in
      let filter = try EventFilter(query)
      let stream = try await Blocking.run { try events.stream(filter) }
      for await event in stream where filter.accepts(event) { sink.offer(event) }
    }
  }
}
