// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Logging
import NIOCore

/// Runs a worker for each sink that the node controller tells of.
struct SinkSupervisor: Sendable {
  let path: String
  let group: any EventLoopGroup
  let logger: Logger

  private struct Running {
    let worker: SinkWorker
    let task: Task<Void, Never>
  }

  /// Until it is cancelled.
  func run() async {
    let follower = TopicFollower(path: path, logger: logger)
    let workers = Workers()
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        for await assignments in follower.follow(EventSinkMethods.assignments, Empty()) {
          await workers.assign(assignments) { make($0, $1) }
        }
      }
      tasks.addTask {
        // What the event is does not matter here: the workers ask for it.
        for await _ in follower.follow(EventMethods.topic, .init()) { await workers.nudge() }
      }
      await tasks.waitForAll()
    }
    await workers.stop()
  }

  private func make(_ spec: EventSinkSpec, _ position: UInt64) -> SinkWorker {
    let path = path
    let logger = logger
    return SinkWorker(
      spec, position: position, delivery: delivery(spec),
      fetch: { after in
        try await Blocking.run {
          try RPCClient(path: path).call(
            EventSinkMethods.fetch, .init(after: after, most: SinkWorker.mostFetched), deadline: 10_000)
        }
      },
      report: { state in
        do {
          _ = try await Blocking.run {
            try RPCClient(path: path).call(EventSinkMethods.report, .init(states: [state]), deadline: 10_000)
          }
        } catch {
          logger.debug("a sink's state could not be told", metadata: ["error": "\(error)"])
        }
      })
  }

  private func delivery(_ spec: EventSinkSpec) -> any EventDelivery {
    let node = Self.node
    switch spec.target {
    case .webhook(let request):
      return HTTPDelivery(request, group: group) { try WebhookBody.encode($0, node: node) }
    case .otlp(let request): return HTTPDelivery(request, group: group) { try OTLPLogs.encode($0, node: node) }
    case .syslog(let address): return SyslogDelivery(address, node: node)
    case .journald: return JournalDelivery()
    }
  }

  private static var node: String {
    var name = utsname()
    guard uname(&name) == 0 else { return "" }
    return withUnsafeBytes(of: &name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// Those that run.
  private actor Workers {
    private var running: [String: Running] = [:]

    func assign(
      _ assignments: EventSinkMethods.Assignments, _ make: (EventSinkSpec, UInt64) -> SinkWorker
    ) async {
      for (name, old) in running where !assignments.sinks.contains(old.worker.spec) {
        old.task.cancel()
        running[name] = nil
      }
      for spec in assignments.sinks where running[spec.name] == nil {
        let worker = make(spec, assignments.positions[spec.name] ?? 0)
        running[spec.name] = Running(worker: worker, task: Task { await worker.run() })
      }
      // What a node controller that died has not heard.
      nudge()
    }

    func nudge() { for one in running.values { one.worker.nudge() } }

    func stop() {
      for one in running.values { one.task.cancel() }
      running = [:]
    }
  }
}
