// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
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
        pool: number.pool.text, bridge: number.bridge, subsystems: try await subsystems.list(nil))
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

  func addSubsystemMethods(to router: inout RPCRouter) {
    router.on(SubsystemMethods.list) { [subsystems] _, query in try await subsystems.list(query.names) }
    router.on(SubsystemMethods.inspect) { [subsystems] _, params in try await subsystems.inspect(params.name) }
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
    router.on(SubsystemMethods.apply) { [subsystems] context, params in
      try await subsystems.apply(dryRun: params.dryRun ?? false, correlation: context.correlationID)
    }
    router.on(SubsystemMethods.logs) { [subsystems, instance] _, query in
      let filter = try LogFilter(query)
      let name = try await subsystems.find(query.name).name
      let count = min(max(0, query.last ?? 10_000), 10_000)
      return try await Blocking.run {
        try LogReader(directory: "\(instance.subsystemState)/\(name)").last(count, filter).map(\.entry)
      }
    }
    router.onTopic(LogMethods.topic) { [subsystems, instance, watcher] _, query, sink in
      let filter = try LogFilter(query)
      let source = try await subsystems.find(query.name)
      let reader = LogReader(directory: "\(instance.subsystemState)/\(source.name)")
      try await LogFollower(source: source, reader: reader, watcher: watcher).run(query, filter: filter, sink: sink)
    }
  }

  func addEventMethods(to router: inout RPCRouter) {
    router.on(EventMethods.list) { [events] _, query in
      let filter = try EventFilter(query)
      return try await Blocking.run { try events.list(filter) }
    }
    router.on(EventMethods.report) { [events] _, report in
      for event in report.events { events.append(event) }
      return Empty()
    }
    router.onTopic(EventMethods.topic) { [events] _, query, sink in
      let filter = try EventFilter(query)
      let stream = try await Blocking.run { try events.stream(filter) }
      for await event in stream where filter.accepts(event) { sink.offer(event) }
    }
  }
}
