// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Configuration
import Glibc
import HealthChecks
import JSONRPC
import LinuxKernel
import LogStore
import Logging

/// The unprivileged part of the agent that builds and keeps containers: serves `container.sock`.
public final class ContainerController: Sendable {
  private let instance: Instance
  private let logger: Logger
  private let watcher: DescriptorWatcher
  private let host: HostClient
  private let events = EventLog(source: "container-controller")
  private let bundles: BundleStore
  private let registry: ContainerRegistry
  private let pool: ProcessPool
  private let manager: ServiceManager
  private let health: HealthRegistry
  /// The names of containers whose health has changed, and how it is now.
  private let healthChanges: AsyncStream<(String, HealthState?)>
  private let stateChanges: AsyncStream<(String, ContainerState)>
  private let identities: IdentityClient
  private let isShuttingDown: @Sendable () -> Bool

  /// - Parameters:
  ///   - cgroups: where the node controller makes the containers' groups, for reading.
  ///   - isShuttingDown: true when the machine is being shut down; asked when this controller is told to end.
  public init(
    instance: Instance, cgroups: any CgroupHierarchy, unifiedCgroups: Bool, manager: ServiceManager,
    isShuttingDown: @escaping @Sendable () -> Bool, logger: Logger
  ) throws {
    self.manager = manager
    self.isShuttingDown = isShuttingDown
    self.instance = instance
    self.logger = logger
    umask(0o077)
    watcher = try DescriptorWatcher(name: "watch")
    host = HostClient(instance: instance)
    bundles = BundleStore(instance: instance, host: host, events: events)
    guard let harness = Executables.harness else {
      throw RPCError(.unavailable, "nodeagent-harness is not beside \(Executables.own); the installation is incomplete")
    }
    let (healthChanges, changeHealth) = AsyncStream.makeStream(of: (String, HealthState?).self)
    let (stateChanges, changeState) = AsyncStream.makeStream(of: (String, ContainerState).self)
    self.healthChanges = healthChanges
    self.stateChanges = stateChanges
    let remedies = ContainerRemedies(logger: logger)
    health = HealthRegistry(
      of: .container, maintenanceFile: "\(instance.controllerState)/maintenance.json", events: events,
      logger: logger, isLocal: { _ in true }, changed: { changeHealth.yield(($0, $1)) },
      remedy: { try await remedies.apply($1, to: $0, because: $2) })
    let faults = FaultPoint(directory: instance.controllerRun)
    pool = ProcessPool(
      harness: SharedDescriptor(try FileSystem.open(harness, flags: FileSystem.pathOnly)), logger: logger)
    let identities = IdentityClient(instance: instance, events: events, logger: logger)
    self.identities = identities
    let launcher = Launcher(
      instance: instance, host: host, watcher: watcher, pool: pool,
      unifiedCgroups: unifiedCgroups, faults: faults, identities: identities, logger: logger)
    registry = ContainerRegistry(
      services: ContainerServices(
        host: host, launcher: launcher, watcher: watcher, store: ContainerFileStore(instance: instance),
        cgroups: cgroups, events: events, faults: faults, logger: logger, health: health, identities: identities,
        changed: { changeState.yield(($0, $1)) }),
      bundles: bundles)
    remedies.serve(registry)
  }

  /// How a run ends.
  public enum Order: Sendable {
    case keepContainers
    case stopContainers
  }

  /// Serves on a listening socket until one of `orders` says how to end.
  public func run(_ listening: SharedDescriptor, orders: AsyncStream<Order>) async throws {
    let inventory = try await host.call(HostMethods.inventory, Empty())
    try await bundles.load(templates: inventory.templates)
    let probe = ContainerProbe(
      registry: registry, watcher: watcher, monitor: MonitorChannel(instance: instance, logger: logger))
    await health.start { await probe.look($0) }
    let following = followHealth()
    try await registry.load(inventory)
    var router = RPCRouter(
      title: APIDocument.containers.title, summary: APIDocument.containers.summary, version: AgentVersion.current)
    addContainerMethods(to: &router)
    addHealthMethods(to: &router)
    addBundleMethods(to: &router)
    addTopics(to: &router)
    let server = try RPCServer(
      router: router,
      policy: RolePolicy(
        operatorGIDs: [getgid()], gatewayUID: GatewayIdentity(instance: instance).uid), logger: logger)
    try await server.start(try listening.duplicate())
    pool.fill()
    try manager.ready(status: await registry.summary)
    logger.info("available")
    let background = [
      Task { await self.keepStatus() },
      Task { [instance, health, logger] in
        await HealthMirror(instance: instance, health: health, logger: logger).run()
      },
      Task { [instance, events, logger] in
        await EventForwarder(instance: instance, events: events, logger: logger).run()
      },
      Task { [identities, registry] in
        await identities.run { name, token in try await registry.find(name).takeIdentity(token) }
      },
      Task { [manager, logger, instance] in
        await Watchdog.run(manager, logger: logger) {
          _ = try RPCClient(path: instance.containerSocket).call(ContainerMethods.list, .init(names: []))
        }
      },
    ]
    for await order in orders {
      try manager.stopping()
      await end(order)
      break
    }
    for task in background + following { task.cancel() }
    await health.stop()
    await server.stop()
    pool.close()
  }

  private func end(_ order: Order) async {
    let isShuttingDown = isShuttingDown
    let lastBoot = order == .keepContainers ? (try? await Blocking.run { isShuttingDown() }) ?? false : false
    logger.info(
      "stopping",
      metadata: ["containers": order == .stopContainers ? "stopped" : lastBoot ? "stopped until boot" : "kept"])
    if order == .stopContainers || lastBoot { await registry.stopAll(untilBoot: lastBoot) }
  }

  /// Keeps the line that `systemctl status` shows, at most once a second.
  private func keepStatus() async {
    var told = ""
    guard let changes = try? events.stream(nil, buffered: 1) else { return }
    for await _ in changes {
      try? await Task.sleep(for: .seconds(1))
      guard !Task.isCancelled else { return }
      let summary = await registry.summary
      guard summary != told else { continue }
      do {
        try manager.status(summary)
        told = summary
      } catch {
        logger.notice("cannot tell the service manager", metadata: ["error": "\(error)"])
      }
    }
  }

  // MARK: - Methods

  private func addContainerMethods(to router: inout RPCRouter) {
    router.on(ContainerMethods.create) { [registry] context, spec in
      try await registry.create(spec, correlation: context.correlationID).view()
    }
    router.on(ContainerMethods.run) { [registry] context, spec in
      try await registry.run(spec, correlation: context.correlationID)
    }
    router.on(ContainerMethods.start) { [registry] context, params in
      try await registry.find(params.name).start(correlation: context.correlationID)
    }
    router.on(ContainerMethods.stop) { [registry] context, params in
      try await registry.find(params.name).stop(timeout: params.timeout, correlation: context.correlationID)
    }
    router.on(ContainerMethods.restart) { [registry] context, params in
      try await registry.find(params.name).restart(timeout: params.timeout, correlation: context.correlationID)
    }
    router.on(ContainerMethods.kill) { [registry] context, params in
      guard let signal = SignalNames.number(params.signal ?? "KILL") else {
        throw RPCError(
          .invalidParams, "params.signal is a signal such as TERM or its number, not \"\(params.signal ?? "")\"")
      }
      return try await registry.find(params.name).kill(signal: signal, correlation: context.correlationID)
    }
    router.on(ContainerMethods.remove) { [registry] context, params in
      try await registry.remove(params.name, force: params.force ?? false, correlation: context.correlationID)
      return Empty()
    }
    router.on(ContainerMethods.wait) { [registry] _, params in
      let container = try await registry.find(params.name)
      await container.waitUntilAtRest()
      return await container.view()
    }
    router.on(ContainerMethods.list) { [registry, health] _, query in
      var views: [ContainerView] = []
      let checks = Dictionary(grouping: await health.list(nil), by: \.owner)
      for container in try await registry.select(query.names) {
        var view = await container.view(withUsage: true)
        view.health = HealthState.worst((checks[view.name] ?? []).map(\.state))
        views.append(view)
      }
      return views.sorted { ($0.created, $0.name) < ($1.created, $1.name) }
    }
    router.on(ContainerMethods.inspect) { [registry, health] _, params in
      var details = try await registry.find(params.name).details()
      details.summary.health = HealthState.worst(await health.list([params.name]).map(\.state))
      return details
    }
    router.on(ContainerMethods.stats) { [registry] _, query in
      var all: [ContainerStats] = []
      let network = try await Blocking.run { InterfaceCounters.read() }
      for container in try await registry.select(query.names) {
        if let stats = await container.stats(network) { all.append(stats) }
      }
      return all
    }
    router.on(LogMethods.read) { [registry] _, query in
      let filter = try LogFilter(query)
      let reader = LogReader(directory: try await registry.find(query.name).stateDirectory)
      let count = min(max(0, query.last ?? 10_000), 10_000)
      return try await Blocking.run { try reader.last(count, filter).map(\.entry) }
    }
    router.on(EventMethods.list) { [events] _, query in try events.list(EventFilter(query)) }
    router.on(ContainerMethods.execute) { [registry] _, request in
      try await ExecCollector.run(request, in: try await registry.find(request.name))
    }
    router.onStream(ContainerMethods.exec) { [registry] _, request in
      try await Self.exec(request, in: try await registry.find(request.name))
    }
  }

  private static func exec(_ request: ContainerMethods.ExecRequest, in container: Container) async throws
    -> (ContainerMethods.ExecStarted, StreamBody)
  {
    let terminal = request.terminal ?? false
    let pipes = terminal ? [] : [try Pipe(), try Pipe(), try Pipe()]
    let (id, start) = try await container.exec(
      request, files: terminal ? [] : [pipes[0].reading, pipes[1].writing, pipes[2].writing])
    let master = try await start.untilStarted()
    if let master {
      cl_set_nonblocking(master.raw, true)
      if let rows = request.rows, let columns = request.columns { cl_set_window_size(master.raw, rows, columns) }
    }
    let input = ExecInput(master ?? pipes[0].writing)
    let outputs: [(descriptor: SharedDescriptor, kind: StreamFrame.Kind)] =
      master.map { [($0, .output)] } ?? [(pipes[1].reading, .output), (pipes[2].reading, .error)]
    return (
      ContainerMethods.ExecStarted(id: id),
      { socket in
        guard let own = try? Descriptor.copy(of: socket.descriptor) else { return }
        let stream = ExecStream(
          socket: FramedSocket(SharedDescriptor(own)), start: start, input: input, outputs: outputs, terminal: master,
          signal: { signal in Task { await container.signalExec(id, signal) } })
        // On failure the socket closes with `own`, and the caller sees the end.
        try? NamedThread.start("exec-\(id)") { stream.run() }
      }
    )
  }

  private func addHealthMethods(to router: inout RPCRouter) {
    router.on(HealthMethods.list) { [health] _, query in await health.list(query.owners) }
    router.on(HealthMethods.maintenance) { [health, registry] _, params in
      for owner in params.owners { _ = try await registry.find(owner) }
      try await health.maintenance(params.owners, on: params.on)
      return Empty()
    }
  }

  /// Containers are checked while they run, and count as unavailable while they are unhealthy.
  private func followHealth() -> [Task<Void, Never>] {
    [
      Task { [health, stateChanges] in
        var running: Set<String> = []
        for await (name, state) in stateChanges {
          let runs = state == .available || state == .unavailable
          guard runs != running.contains(name) else { continue }
          if runs { running.insert(name) } else { running.remove(name) }
          await health.owner(name, runs: runs)
        }
      },
      Task { [registry, healthChanges] in
        for await (name, state) in healthChanges { await (try? registry.find(name))?.take(state) }
      },
    ]
  }

  private func addBundleMethods(to router: inout RPCRouter) {
    router.on(BundleMethods.list) { [self] _, _ in
      var views: [BundleView] = []
      for record in await bundles.all { views.append(await view(record)) }
      return views
    }
    router.on(BundleMethods.inspect) { [self] _, params in
      let record = try await bundles.find(params.bundle)
      return BundleDetails(summary: await view(record), descriptor: record.descriptor)
    }
    router.on(BundleMethods.remove) { [self] _, params in
      let record = try await bundles.find(params.bundle)
      try await bundles.remove(record.digest, usedBy: await registry.users(of: record.digest))
      return Empty()
    }
    router.on(BundleMethods.importFile) { [self] _, params in
      guard params.path.hasPrefix("/") else { throw RPCError(.invalidParams, "params.path is an absolute path") }
      let received = try await Blocking.run { try BundleImport.digest(of: params.path) }
      return await view(
        try await bundles.add(
          archive: received.file, size: received.size, digest: received.digest, expected: params.digest
        ) { _ in })
    }
    router.onStream(BundleMethods.importArchive) { [self] _, params in
      let upload = BundleImport(
        bundles: bundles, path: await bundles.nextUploadPath(), params: params, logger: logger,
        view: { [self] in await view($0) })
      return (Empty(), { socket in await upload.run(socket) })
    }
  }

  private func view(_ record: BundleRecord) async -> BundleView {
    BundleView(
      name: record.descriptor.name, version: record.descriptor.version, digest: record.digest, size: record.size,
      files: record.files, imported: record.imported, notes: record.notes,
      containers: await registry.users(of: record.digest))
  }

  private func addTopics(to router: inout RPCRouter) {
    router.onTopic(EventMethods.topic) { [events] _, query, sink in
      let filter = try EventFilter(query)
      for await event in try events.stream(filter) where filter.accepts(event) { sink.offer(event) }
    }
    router.onTopic(LogMethods.topic) { [registry, watcher] _, query, sink in
      let filter = try LogFilter(query)
      let container = try await registry.find(query.name)
      let reader = LogReader(directory: await container.stateDirectory)
      try await LogFollower(source: container, reader: reader, watcher: watcher)
        .run(query, filter: filter, sink: sink)
    }
    router.onTopic(ContainerMethods.statsTopic) { [registry] _, query, sink in
      let interval = max(100, query.interval ?? 1000)
      while !Task.isCancelled {
        let network = try await Blocking.run { InterfaceCounters.read() }
        for container in try await registry.select(query.names) {
          if let stats = await container.stats(network) { sink.offer(stats) }
        }
        try await Task.sleep(for: .milliseconds(interval))
      }
    }
  }
}
