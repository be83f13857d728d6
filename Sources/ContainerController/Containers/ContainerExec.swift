// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LaunchPlan
import LinuxKernel

/// More processes in a running container.
extension Container {
  /// Asks PID 1 for one more process.
  func exec(_ request: ContainerMethods.ExecRequest, files: [SharedDescriptor]) async throws -> (UInt64, ExecStart) {
    guard let process, life.state == .available || life.state == .unavailable || life.state == .initializing else {
      throw RPCError(.wrongState, "container \(name) is \(life.state.rawValue); exec needs one that runs")
    }
    guard let first = request.command.first, !first.isEmpty else {
      throw RPCError(.invalidParams, "params.command needs at least the program")
    }
    var user = record.descriptor.user
    if let text = request.user {
      guard let parsed = BundleDescriptor.User(text) else {
        throw RPCError(.invalidParams, "params.user is UID or UID:GID, decimal numbers from 0 to 65535")
      }
      user = parsed
    }
    let directory = request.directory ?? record.descriptor.directory
    guard directory.hasPrefix("/"), !directory.utf8.contains(0) else {
      throw RPCError(.invalidParams, "params.directory is an absolute path inside the container")
    }
    let input = try services.launcher.input(name, record, address: process.runtime.address)
    var environment = try Dictionary(
      LaunchPlanBuilder.workload(input).environment.map { line in
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
      }, uniquingKeysWith: { $1 })
    if request.terminal == true { environment["TERM"] = "xterm" }
    environment.merge(request.environment ?? [:]) { $1 }
    let workload = try LaunchPlanBuilder.workload(
      input, command: request.command, environment: environment, user: user, directory: directory,
      terminal: request.terminal ?? false)
    let id = nextExec
    nextExec += 1
    let start = try ExecStart()
    execs[id] = start
    do {
      try process.connection.send(.exec(id: id, workload), descriptors: files)
    } catch {
      execs[id] = nil
      throw RPCError(.unavailable, "PID 1 of container \(name) does not answer: \(error)")
    }
    return (id, start)
  }

  func signalExec(_ id: UInt64, _ signal: Int32) { try? process?.connection.send(.signalExec(id: id, signal)) }
}
