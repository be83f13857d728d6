// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel
import Logging
import Synchronization

/// The privileged part of the agent: serves `node.sock`, keeps its sub-systems running, and does for the container
/// controller what needs privilege.
public final class NodeController: Sendable {
  private let instance: Instance
  private let logger: Logger
  private let lock: SharedDescriptor
  private let identity: ControllerIdentity
  private let number: InstanceNumber
  private let broker: HostBroker
  private let containers: any ManagedSubsystem
  private let manager: ServiceManager
  private let notify: NotifySocket

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
    let scope = try AgentCgroup.scope(for: instance)
    let cgroups = try AgentCgroup.prepare(for: instance, scope: scope)
    broker = try HostBroker(
      instance: instance, number: number, controller: identity, cgroups: cgroups, scope: scope, logger: logger)
    let notifyPath = "\(instance.runDirectory)/notify"
    notify = try NotifySocket(path: notifyPath, group: identity.gid)
    if let containerUnit {
      containers = UnitSubsystem(unit: containerUnit, name: "container-controller", identity: identity, logger: logger)
      return
    }
    containers = Subsystem(
      .init(
        name: "container-controller",
        arguments: ["nodeagent", "container-controller", "--root", instance.root],
        environment: Self.environment(notify: notifyPath), identity: identity,
        socket: instance.containerSocket,
        pidFile: "\(instance.runDirectory)/container-controller.pid"),
      logger: logger)
  }

  /// Only what the container controller is meant to see.
  private static func environment(notify: String) -> [String] {
    var environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET=\(notify)", "LISTEN_FDS=1"]
    for name in ["NODEAGENT_LOG", "NODEAGENT_FAULT_POINT"] {
      if let value = getenv(name) { environment.append("\(name)=\(String(cString: value))") }
    }
    return environment
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
    let policy = RolePolicy(operatorGIDs: [identity.gid], containerControllerUID: identity.uid)
    let server = try RPCServer(router: router, policy: policy, logger: logger)
    try notify.listen { [containers] sender in Task { await containers.ready(from: sender) } }
    let listening = try given ?? AgentSocket.listen(instance.nodeSocket, group: identity.gid)
    try await server.start(try listening.duplicate())
    await containers.start()
    await containers.waitUntilSettled()
    started(await containers.view)
    try manager.ready(status: Self.status)
    let watchdog = Task { [manager, logger, instance] in
      await Watchdog.run(manager, logger: logger) {
        _ = try RPCClient(path: instance.nodeSocket).call(NodeMethods.info)
      }
    }
    logger.info("available", metadata: ["root": "\(instance.root)", "instance": "\(number.value)"])

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
    forwarding.cancel()
    watchdog.cancel()
    try manager.stopping()
    logger.info("stopping", metadata: ["containers": how == .keepContainers ? "kept" : "stopped"])
    await containers.stop(signal: how == .keepContainers ? SIGTERM : SIGINT)
    await server.stop()
    if how == .stopContainers { try await Blocking.run { [broker] in try broker.shutDown() } }
    // A socket that the service manager made is the service manager's.
    let sockets = given == nil ? [instance.nodeSocket, instance.containerSocket] : []
    for path in sockets + ["\(instance.runDirectory)/notify"] { try FileSystem.remove(path) }
  }

  private static let status = "serving node.sock"

  private func reload() async throws {
    try manager.reloading()
    do {
      try await Blocking.run { [broker] in try broker.synchroniseFirewall() }
      logger.info("reloaded")
    } catch {
      logger.error("cannot mend the firewall", metadata: ["error": "\(error)"])
    }
    try manager.ready(status: Self.status)
  }

  private func addMethods(to router: inout RPCRouter, order: @escaping @Sendable (Order) -> Void) {
    router.on(NodeMethods.info) { [self] _, _ in
      let release = try FileSystem.readText("/proc/sys/kernel/osrelease")
      return NodeInfo(
        version: AgentVersion.current, instance: instance.id, root: instance.root, pid: getpid(),
        kernel: String(release.filter { !$0.isWhitespace }), cgroups: try layout().mode.rawValue,
        pool: number.pool.text, bridge: number.bridge, subsystems: [await containers.view])
    }
    router.on(NodeMethods.doctor) { [self] _, _ in
      let doctor = Doctor(instance: instance, layout: try layout(), network: broker.network)
      return try await Blocking.run { doctor.examine() }
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

  /// As it was decided at the start: since then this process has moved to a leaf.
  private func layout() throws -> CgroupLayout { try AgentCgroup.decided(instance) }
}
