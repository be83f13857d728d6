// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging
import Metrics
import NIOPosix
import Probing
import Synchronization

/// The part of the agent that looks at services over the network, and at the kernel's figures for everybody: without any
/// privilege, because what it reads comes from others, and others come to it. It does as the node controller tells it.
public final class NodeMonitor: Sendable {
  private let instance: Instance
  private let manager: ServiceManager
  private let logger: Logger
  private let waiting = Mutex<[ProbeResult]>([])
  /// Tells that there are results.
  private let coming: AsyncStream<Void>
  private let come: AsyncStream<Void>.Continuation

  /// Results that have piled up while the node controller is away are worth nothing later.
  private static let mostWaiting = 10_000

  public init(instance: Instance, manager: ServiceManager, logger: Logger) {
    self.instance = instance
    self.manager = manager
    self.logger = logger
    (coming, come) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// Serves until it is told to end.
  ///
  /// - Parameters:
  ///   - given: the sockets for the metrics.
  ///   - listen: more addresses, `tcp://ADDRESS:PORT`, where they are served over HTTP.
  ///   - cloud: `ec2`, `openstack`, `gce`, `azure`, or `auto` for what the firmware hints at; none where it is `nil`.
  ///   - endpoint: where that answers, if elsewhere than usual.
  public func run(
    given: ListenDescriptors, listen: [String], cloud: String? = nil, endpoint: String? = nil,
    until end: AsyncStream<Void>
  ) async throws {
    let watcher = cloudWatcher(cloud, endpoint)
    let metrics = try await serveMetrics(given, listen, watcher)
    let probe = NetworkProbe(group: MultiThreadedEventLoopGroup.singleton)
    let scheduler = ProbeScheduler(probe: { await probe.look($0) }, report: { [self] in add($0) })
    let assigning = Task { await self.takeAssignments(scheduler) }
    let reporting = Task { await self.sendReports(scheduler) }
    let sinking = Task { [instance, logger] in
      await SinkSupervisor(path: instance.monitorSocket, group: MultiThreadedEventLoopGroup.singleton, logger: logger)
        .run()
    }
    let naming = serveNames(given)
    let watchdog = Task { [manager, logger] in await Watchdog.run(manager, logger: logger) {} }
    try manager.ready(status: "waiting for checks")
    for await _ in end { break }
    try manager.stopping()
    for task in [assigning, reporting, watchdog, metrics, sinking, naming] { task.cancel() }
    await scheduler.stop()
  }

  // MARK: - Names

  /// Returns the task that hears what the names are.
  private func serveNames(_ given: ListenDescriptors) -> Task<Void, Never> {
    let server = NameServer(group: MultiThreadedEventLoopGroup.singleton, logger: logger)
    let follower = TopicFollower(path: instance.monitorSocket, logger: logger)
    return Task { [logger] in
      var waiting = given["dns"]
      var waitingStreams = given["dns-tcp"]
      let streams = NameStreams(server: server, group: MultiThreadedEventLoopGroup.singleton)
      for await names in follower.follow(NameMethods.assignments, Empty()) {
        server.assign(names)
        // Queries wait in the socket until there is something to answer them with.
        let (socket, listener) = (waiting.take(), waitingStreams.take())
        do {
          if let socket { try await server.start(try socket.duplicate()) }
          if let listener { try await streams.start(try listener.duplicate()) }
        } catch {
          logger.error("cannot answer for names", metadata: ["error": "\(error)"])
        }
      }
    }
  }

  // MARK: - Metrics

  /// Returns the task that keeps their history.
  private func serveMetrics(
    _ given: ListenDescriptors, _ listen: [String], _ cloud: CloudWatcher?
  ) async throws -> Task<Void, Never> {
    let path = instance.monitorSocket
    let engine = MetricsEngine(
      cloud: cloud, logger: logger,
      fetch: { try await Blocking.run { try RPCClient(path: path).call(MetricMethods.sources, deadline: 2000) } },
      report: { report in
        _ = try await Blocking.run { try RPCClient(path: path).call(AlertMethods.report, report, deadline: 5000) }
      })
    let group = MultiThreadedEventLoopGroup.singleton
    let http = MetricsServer(group: group, logger: logger) { await engine.exposition($0) }
    var served: [String] = []
    if let socket = given["metrics-http"] {
      try await http.start(try socket.duplicate())
      served.append("unix://\(instance.metricsHTTPSocket)")
    }
    for address in listen {
      do {
        guard let parsed = ListenAddress(address) else {
          throw RPCError(.invalidParams, "\(address) is no address to listen on")
        }
        try await http.start(try parsed.listen())
        served.append(address)
      } catch {
        // Another agent, or another program, may have it; the rest goes on.
        logger.error("cannot serve the metrics", metadata: ["address": "\(address)", "error": "\(error)"])
      }
    }
    await engine.listens(at: served)
    if let socket = given["metrics"] {
      var router = RPCRouter(
        title: APIDocument.metrics.title, summary: APIDocument.metrics.summary, version: AgentVersion.current)
      MetricsService(engine: engine).add(to: &router)
      addProbing(to: &router, NetworkProbe(group: group))
      try await RPCServer(router: router, policy: RolePolicy(), logger: logger).start(try socket.duplicate())
    }
    let follower = TopicFollower(path: path, logger: logger)
    return Task {
      await withTaskGroup(of: Void.self) { tasks in
        tasks.addTask { await engine.run() }
        tasks.addTask { await cloud?.run() }
        tasks.addTask {
          for await assignments in follower.follow(AlertMethods.assignments, Empty()) {
            await engine.assign(assignments)
          }
        }
      }
    }
  }

  /// Checks inside containers.
  private func addProbing(to router: inout RPCRouter, _ probe: NetworkProbe) {
    router.onStream(ProbeMethods.open) { [logger] _, _ in
      (
        Empty(),
        { socket in
          do {
            let own = SharedDescriptor(try Descriptor.copy(of: socket.descriptor))
            let session = ProbeSession(socket: own, probe: probe)
            try NamedThread.start("probes") { session.serve() }
          } catch {
            logger.error("cannot make checks for containers", metadata: ["error": "\(error)"])
          }
        }
      )
    }
  }

  private func cloudWatcher(_ name: String?, _ endpoint: String?) -> CloudWatcher? {
    let directory = "/sys/class/dmi/id"
    let provider =
      name == "auto"
      ? CloudProviders.guess(
        vendor: SysAttribute.text("\(directory)/sys_vendor") ?? "",
        product: SysAttribute.text("\(directory)/product_name") ?? "")
      : CloudProviders.all.first { $0.name == name }
    guard let provider else { return nil }
    let service = MetadataService(
      endpoint: endpoint ?? MetadataService.usual,
      requester: HTTPRequester(group: MultiThreadedEventLoopGroup.singleton))
    return CloudWatcher(provider.init(service), logger: logger)
  }

  // MARK: - Checks

  private func add(_ result: ProbeResult) {
    waiting.withLock { if $0.count < Self.mostWaiting { $0.append(result) } }
    come.yield()
  }

  /// Hears what is to be checked; comes again when the node controller has gone.
  private func takeAssignments(_ scheduler: ProbeScheduler) async {
    let following = TopicFollower(path: instance.monitorSocket, logger: logger)
    for await assignments in following.follow(HealthMethods.assignments, Empty()) {
      await scheduler.assign(assignments.checks)
      // Only for people: that they are not told is no failure.
      try? manager.status("\(assignments.checks.count) checks")
    }
  }

  /// Sends what has been seen, many results at a time.
  private func sendReports(_ scheduler: ProbeScheduler) async {
    var told = 0
    for await _ in coming {
      // Those of the next moment go with it.
      try? await Task.sleep(for: .milliseconds(100))
      let results = waiting.withLock { results in
        defer { results = [] }
        return results
      }
      guard !results.isEmpty else { continue }
      let missed = await scheduler.missed
      let report = HealthMethods.Report(results: results, missed: missed - told)
      let path = instance.monitorSocket
      do {
        try await Blocking.run {
          _ = try RPCClient(path: path).call(HealthMethods.report, report, deadline: 10_000)
        }
        told = missed
      } catch {
        logger.debug("results could not be told", metadata: ["error": "\(error)"])
      }
    }
  }
}
