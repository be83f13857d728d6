// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import HealthChecks
import JSONRPC
import LinuxKernel
import LogStore
import Logging

/// The privileged part of the agent: serves `node.sock`, keeps its sub-systems running, and does for the container
/// controller what needs privilege.
public final class NodeController: Sendable {
  let instance: Instance
  let logger: Logger
  private let lock: SharedDescriptor
  let identity: ControllerIdentity
  let number: InstanceNumber
  let broker: HostBroker
  let containers: any ManagedSubsystem
  let subsystems: SubsystemRegistry
  private let subsystemCgroups: any CgroupHierarchy
  let events: EventLog
  let health: HealthRegistry
  let containerHealth = ContainerHealth()
  let firewall: Firewall
  let network: NodeNetwork
  let sinks: EventSinkRegistry
  let alerts: AlertRegistry
  let availability: NodeAvailability
  let monitor: MonitorIdentity
  private let monitorSpec: SubsystemSpec
  private let certificateSpec: SubsystemSpec
  private let gatewaySpec: SubsystemSpec?
  let identities: SubsystemIdentities
  let watcher: DescriptorWatcher
  private let systemd: SystemdWatch?
  private let manager: ServiceManager
  private let changes: AsyncStream<(String, SubsystemState)>

  /// Claims the instance.
  ///
  /// - Parameter containerUnit: the systemd unit that runs the container controller; `nil`: this process does.
  /// - Throws: `already exists` when another node controller has it.
  public init(instance: Instance, containerUnit: String? = nil, manager: ServiceManager, logger: Logger) throws {
    self.manager = manager
    self.instance = instance
    self.logger = logger
    umask(0o022)
    // What the container controller leaves when it dies comes here, and not to a PID 1 that may not reap.
    cl_prctl(CL_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for directory in [instance.runDirectory, instance.stateDirectory, instance.logDirectory] {
      try FileSystem.makeDirectories(directory, mode: 0o755)
    }
    guard let lock = try FileSystem.lock(instance.lockFile) else {
      throw RPCError(.alreadyExists, "an agent with the root \(instance.root) runs already")
    }
    self.lock = lock
    number = try InstanceNumber.claim(for: instance)
    identity = ControllerIdentity(instance: instance)
    for directory in [instance.controllerState, instance.controllerRun] {
      try FileSystem.makeDirectory(directory, mode: 0o700)
      try FileSystem.owner(directory, uid: identity.uid, gid: identity.gid)
    }
    let certificates = CertificateManagerIdentity(instance: instance)
    for directory in [instance.certificateState, instance.certificateRun] {
      try FileSystem.makeDirectory(directory, mode: 0o700)
      try FileSystem.owner(directory, uid: certificates.uid, gid: certificates.gid)
    }
    let scope = try AgentCgroup.scope(for: instance)
    let cgroups = try AgentCgroup.prepare(for: instance, scope: scope)
    events = try EventLog(source: "node-controller", directory: instance.events)
    availability = NodeAvailability(instance: instance, events: events)
    var configuration = NetworkConfiguration()
    do {
      configuration = try NetworkParser.read(instance.network)
    } catch {
      // The node has to come up.
      logger.error("network.yaml cannot be used", metadata: ["problem": "\(error)"])
      events.add(
        kind: "network", name: number.bridge, event: "configuration refused", severity: .error, cause: "\(error)",
        correlation: nil)
    }
    let pool = try NetworkPool.decide(instance, number, configuration)
    let peers = PeerNetwork(
      instance: instance, pool: pool, bridge: number.bridge, events: events, logger: logger)
    peers.load(configuration)
    firewall = Firewall(
      instance: instance, bridge: number.bridge, pool: pool, peers: peers, events: events, logger: logger)
    network = NodeNetwork(
      instance: instance, bridge: number.bridge, pool: pool, peers: peers, firewall: firewall)
    broker = try HostBroker(
      instance: instance, number: number, controller: identity, cgroups: cgroups, scope: scope, network: network,
      firewall: firewall, availability: availability, logger: logger)
    do {
      if !peers.peers.isEmpty { try network.writePeers() }
      try peers.watch()
    } catch {
      logger.error("the network of peers cannot be made", metadata: ["error": "\(error)"])
      events.add(
        kind: "network", name: number.bridge, event: "not written", severity: .error, cause: "\(error)",
        correlation: nil)
    }
    watcher = try DescriptorWatcher(name: "watch")
    subsystemCgroups = makeCgroupHierarchy(
      layout: try AgentCgroup.decided(instance), base: instance.subsystemCgroup, kernel: LiveKernel())
    guard let harness = Executables.harness else {
      throw RPCError(.unavailable, "nodeagent-harness is not beside \(Executables.own); the installation is incomplete")
    }
    let (changes, change) = AsyncStream.makeStream(of: (String, SubsystemState).self)
    self.changes = changes
    let place: any SubsystemPlace
    if let scope {
      place = SystemdPlace(instance: instance, harness: harness, mount: scope.mount)
    } else {
      place = SupervisedPlace(
        cgroups: subsystemCgroups,
        harness: SharedDescriptor(try FileSystem.open(harness, flags: FileSystem.pathOnly)))
    }
    systemd = Systemctl.isThere ? SystemdWatch(logger: logger) : nil
    identities = SubsystemIdentities(instance: instance, logger: logger)
    let services = SubsystemServices(
      instance: instance, watcher: watcher, place: place, keeper: KeeperIdentity(instance: instance),
      identities: identities, events: events, logger: logger,
      changed: { change.yield(($0, $1)) })
    var spec = ContainerControllerSpec.make(instance, identity)
    spec.unit = containerUnit
    monitor = MonitorIdentity(instance: instance)
    var metrics = MetricsConfiguration()
    do {
      metrics = try MetricsConfiguration.read(instance.metrics)
    } catch {
      // The node has to come up.
      logger.error("metrics.yaml cannot be used", metadata: ["problem": "\(error)"])
      events.add(
        kind: "node", name: "metrics", event: "configuration refused", severity: .error, cause: "\(error)",
        correlation: nil)
    }
    let monitorSpec = MonitorSpec.make(
      instance, monitor, metrics, gateway: network.pool.gateway, group: identity.gid)
    self.monitorSpec = monitorSpec
    var certificateConfiguration = CertificateConfiguration()
    do {
      certificateConfiguration = try CertificateConfiguration.read(instance.certificates)
    } catch {
      // The node has to come up.
      logger.error("certificates.yaml cannot be used", metadata: ["problem": "\(error)"])
      events.add(
        kind: "certificate", name: "certificates.yaml", event: "configuration refused", severity: .error,
        cause: "\(error)", correlation: nil)
    }
    let certificateSpec = CertificateManagerSpec.make(
      instance, certificates, number: number, controller: identity, certificateConfiguration)
    let gatewaySpec =
      certificateConfiguration.remote.isEmpty
      ? nil : GatewaySpec.make(instance, group: identity.gid, listen: certificateConfiguration.remote)
    self.gatewaySpec = gatewaySpec
    self.certificateSpec = certificateSpec
    if let containerUnit {
      containers = UnitSubsystem(
        spec, unit: containerUnit, belongsToAgent: true, events: events, logger: logger, changed: services.changed)
    } else {
      containers = Subsystem(spec, services: services)
    }
    let registry = try SubsystemRegistry(
      units: SubsystemUnits(directory: instance.subsystemUnits),
      fixed: [
        containers, Subsystem(certificateSpec, services: services), Subsystem(monitorSpec, services: services),
      ] + (gatewaySpec.map { [Subsystem($0, services: services)] } ?? []),
      specs: [spec, certificateSpec, monitorSpec] + (gatewaySpec.map { [$0] } ?? []), events: events, logger: logger,
      make: { spec in
        guard let unit = spec.unit else { return Subsystem(spec, services: services) }
        return UnitSubsystem(
          spec, unit: unit, events: services.events, logger: logger, changed: services.changed)
      })
    subsystems = registry
    alerts = AlertRegistry(instance: instance, events: events, logger: logger)
    sinks = EventSinkRegistry(instance: instance, events: events, logger: logger)
    health = HealthRegistry(
      of: .subsystem, maintenanceFile: "\(instance.stateDirectory)/maintenance.json", events: events, logger: logger,
      isLocal: { !$0.isRemote }
    ) { owner, action, cause in
      switch action {
      case .alert: return "an event tells of it"
      case .restart:
        logger.warning("restarting for health", metadata: ["subsystem": "\(owner)", "cause": "\(cause)"])
        try await registry.heal(owner)
        return "it was restarted"
      case .stop:
        _ = try await registry.stop([owner], dryRun: false, correlation: nil)
        return "it was stopped"
      case .run(let command):
        let output = try await registry.run(command, beside: owner, timeout: 60_000)
        return "\(command[0]) was run\(output.isEmpty ? "" : ": \(output)")"
      }
    }
  }

  /// How a run ends.
  public enum Order: Sendable {
    case keepContainers
    case stopContainers
    /// Not an end: compares the kernel's firewall with what should be there, and mends it.
    case reload
  }

  /// Serves until it is told to end: by `node.shutdown`, or by `signals`.
  ///
  /// - Parameter listening: the socket, where the service manager has made it.
  public func run(
    signals: AsyncStream<Order>, listening given: SharedDescriptor?, started: @Sendable (SubsystemView) -> Void
  ) async throws {
    let (orders, order) = AsyncStream.makeStream(of: Order.self)
    var router = RPCRouter(
      title: APIDocument.node.title, summary: APIDocument.node.summary, version: AgentVersion.current)
    addMethods(to: &router) { order.yield($0) }
    addSubsystemMethods(to: &router)
    addEventMethods(to: &router)
    addHealthMethods(to: &router)
    addFirewallMethods(to: &router)
    addNetworkMethods(to: &router)
    let policy = RolePolicy(
      operatorGIDs: [identity.gid], containerControllerUID: identity.uid,
      gatewayUID: GatewayIdentity(instance: instance).uid)
    let server = try RPCServer(router: router, policy: policy, logger: logger)
    let listening = try given ?? AgentSocket.listen(instance.nodeSocket, group: identity.gid)
    try await server.start(try listening.duplicate())
    let checking = try await serveMonitor()
    let following = Task { [subsystems, health, changes] in
      for await (name, state) in changes {
        await subsystems.changed(name, state)
        if state != .reloading { await health.owner(name, runs: state == .available) }
      }
    }
    try systemd?.start()
    let followingUnits = Task { [subsystems, systemd] in
      guard let systemd else { return }
      for await unit in systemd.changes { await subsystems.unitChanged(unit) }
    }
    let starting = try await startSubsystems()
    started(await containers.view)
    try manager.ready(status: Self.status)
    let watchdog = Task { [manager, logger, instance] in
      await Watchdog.run(manager, logger: logger) {
        _ = try RPCClient(path: instance.nodeSocket).call(NodeMethods.info)
      }
    }
    logger.info("available", metadata: ["root": "\(instance.root)", "instance": "\(number.value)"])

    let certificates = Task { [instance, events, logger] in
      await CertificateEvents(instance: instance, events: events, logger: logger).run()
    }
    let renewing = Task { [identities, subsystems] in
      await identities.run(isKnown: { await subsystems.spec(of: $0)?.identity != nil }) { name, agent, token in
        try await subsystems.takeIdentity(name, agent, token)
      }
    }
    let forwarding = Task { for await signal in signals { order.yield(signal) } }
    var how = Order.keepContainers
    for await asked in orders {
      if asked == .reload {
        try await reload()
        continue
      }
      how = asked
      break
    }
    for task in [forwarding, certificates, renewing, watchdog, following, followingUnits, starting] { task.cancel() }
    if how == .stopContainers { availability.enter(.destroying) }
    try manager.stopping()
    logger.info("stopping", metadata: ["containers": how == .keepContainers ? "kept" : "stopped"])
    await subsystems.stopAll(
      onlyFixed: how == .keepContainers, signal: how == .keepContainers ? SIGTERM : SIGINT)
    await health.stop()
    await checking.stop()
    await server.stop()
    if how == .stopContainers {
      try await Blocking.run { [broker, subsystemCgroups] in
        try subsystemCgroups.removeBase()
        try broker.shutDown()
      }
    }
    // A socket that the service manager made is the service manager's.
    if given == nil { for path in [instance.nodeSocket, instance.containerSocket] { try FileSystem.remove(path) } }
    try FileSystem.remove(instance.monitorSocket)
    events.add(kind: "node", name: "node", event: "stopped", cause: nil, correlation: nil)
  }

  private static let status = "serving node.sock"

  /// Takes up what runs, and starts the others; returns once the container controller is available or has failed.
  private func startSubsystems() async throws -> Task<Void, Never> {
    availability.enter(.initializing)
    let wanted = try await subsystems.load(known: SubsystemFiles.known(instance)) { [instance] name in
      SubsystemFiles(name: name, instance: instance, keeper: KeeperIdentity(instance: instance)).record()
        .map { $0.spec ?? SubsystemSpec(name: name) }
    }
    await configureHealth()
    await configureWatching()
    // One that an earlier node controller has started goes on as it was started.
    for spec in [certificateSpec, monitorSpec] + (gatewaySpec.map { [$0] } ?? []) {
      do {
        try await subsystems.renew(spec)
      } catch {
        logger.error("cannot start it again", metadata: ["subsystem": "\(spec.name)", "error": "\(error)"])
      }
    }
    // They need not wait for each other: each begins when what it needs is there.
    let starting = Task { [subsystems, logger] in
      do {
        let plan = try await subsystems.start(wanted, dryRun: false, correlation: nil)
        for step in plan.steps {
          guard let problem = step.problem else { continue }
          logger.error("cannot start a sub-system", metadata: ["subsystem": "\(step.name)", "error": "\(problem)"])
        }
      } catch {
        logger.error("cannot start the sub-systems", metadata: ["error": "\(error)"])
      }
    }
    do {
      try await containers.start(correlation: nil)
    } catch {
      logger.error("cannot start the container controller", metadata: ["error": "\(error)"])
    }
    availability.enter(.available)
    return starting
  }

  /// Serves the monitor, on a socket of its own with nothing else behind it.
  private func serveMonitor() async throws -> RPCServer {
    var router = RPCRouter(
      title: APIDocument.monitor.title, summary: APIDocument.monitor.summary, version: AgentVersion.current)
    addMonitorMethods(to: &router)
    let server = try RPCServer(
      router: router, policy: RolePolicy(monitorUID: monitor.uid, others: nil), logger: logger)
    let socket = try AgentSocket.listen(instance.monitorSocket, group: monitor.gid)
    try await server.start(try socket.duplicate())
    let probe = LocalProbe(subsystems: subsystems)
    await health.start { await probe.look($0) }
    return server
  }

  private func configureWatching() async {
    do {
      await alerts.configure(try AlertRuleParser.read(instance.alerts))
    } catch {
      logger.error("the alert rules cannot be used", metadata: ["error": "\(error)"])
      events.add(
        kind: "alert", name: "alerts", event: "rules refused", severity: .error, cause: "\(error)", correlation: nil)
    }
    do {
      await sinks.configure(try EventSinkParser.read(instance.sinks))
    } catch {
      logger.error("the sinks of events cannot be used", metadata: ["error": "\(error)"])
      events.add(
        kind: "events", name: "sinks", event: "sinks refused", severity: .error, cause: "\(error)", correlation: nil)
    }
  }

  private func configureHealth() async {
    for (name, checks) in await subsystems.checks { await health.configure(name, checks) }
    do {
      await health.configure(HealthRegistry.node, try NodeChecks.read(instance.nodeChecks))
    } catch {
      logger.error("the node's checks cannot be used", metadata: ["error": "\(error)"])
      events.add(
        kind: "health", name: "node", event: "checks refused", severity: .error, cause: "\(error)", correlation: nil)
    }
    for name in await subsystems.available() { await health.owner(name, runs: true) }
  }

  private func reload() async throws {
    try manager.reloading()
    do {
      try await Blocking.run { [firewall] in firewall.mend() }
      logger.info("reloaded")
    } catch {
      logger.error("cannot mend the firewall", metadata: ["error": "\(error)"])
    }
    try manager.ready(status: Self.status)
  }

  /// As it was decided at the start: since then this process has moved to a leaf.
  func layout() throws -> CgroupLayout { try AgentCgroup.decided(instance) }
}
