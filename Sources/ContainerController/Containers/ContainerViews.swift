// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// How a container looks from outside; nothing here waits for its operations.
extension Container {
  func view(withUsage: Bool = false) async -> ContainerView {
    var view = ContainerView(
      name: name, bundle: record.reference, digest: record.digest, state: life.state, created: record.created,
      firstUID: record.firstUID)
    view.reason = life.reason
    view.started = record.started.map { Timestamp.text(microseconds: $0) }
    view.finished = life.state.isRunning ? nil : record.finished.map { Timestamp.text(microseconds: $0) }
    view.exitCode = life.state.isRunning ? nil : record.exitCode
    view.exitSignal = life.state.isRunning ? nil : record.exitSignal
    view.outOfMemory = record.outOfMemory
    view.restarts = record.restarts
    view.memoryLimit = record.resources.memory
    view.statusText = statusText
    view.endpoints = endpoints()
    if let process {
      view.pid = process.runtime.pid
      view.address = process.runtime.address
      view.address6 = process.runtime.address6
      view.agent = process.runtime.agent
      view.uptimeMilliseconds = max(0, (Clock.wallMicroseconds() - process.runtime.started) / 1000)
      if withUsage, let usage = await usage() {
        view.memory = usage.memory
        view.cpuPercent = percent(usage)
      }
    }
    return view
  }

  private func endpoints() -> [EndpointView] {
    record.descriptor.endpoints.map { endpoint in
      let published = process?.runtime.publications.first { $0.name == endpoint.name }
      return EndpointView(
        name: endpoint.name, proto: endpoint.proto.rawValue, port: endpoint.port, scope: endpoint.scope.rawValue,
        hostAddress: published == nil ? nil : "127.0.0.1", hostPort: published?.hostPort, count: endpoint.count)
    }
  }

  func details() async -> ContainerDetails {
    ContainerDetails(
      summary: await view(withUsage: true), spec: record.spec, descriptor: record.descriptor,
      cgroups: process?.runtime.cgroups ?? [], directory: services.launcher.runDirectory(name),
      logDirectory: record.stateDirectory)
  }

  /// - Parameter network: what the host's interfaces have moved, by their names.
  func stats(_ network: [String: InterfaceCounters] = [:]) async -> ContainerStats? {
    guard life.state.isRunning, let usage = await usage() else { return nil }
    var counters = Usage(usage)
    if let interface = process?.runtime.interface, let moved = network[interface] {
      // The host's end sends what the container receives.
      counters.networkReceivedBytes = moved.sent
      counters.networkSentBytes = moved.received
    }
    return ContainerStats(
      name: name, time: Timestamp.now, state: life.state, cpuPercent: percent(usage), usage: counters)
  }

  private func usage() async -> CgroupUsage? {
    let (cgroups, name) = (services.cgroups, name)
    return try? await Blocking.run { cgroups.usage(of: name) }
  }

  /// Read here and not on another thread: the file never waits, and whoever waits for the end waits for this.
  func oomKills() -> UInt64 { services.cgroups.oomKills(of: name) }

  /// Of one processor since the last look, or since the start; two looks within 200 ms share an answer.
  private func percent(_ usage: CgroupUsage) -> Double? {
    guard let cpu = usage.cpuMicroseconds, let process else { return nil }
    let now = Clock.monotonicNanoseconds()
    guard let last = sample else {
      sample = (now, cpu)
      let ran = Double(max(1, Clock.wallMicroseconds() - process.runtime.started))
      lastPercent = Double(cpu) / ran * 100
      return lastPercent
    }
    guard now - last.time >= 200_000_000 else { return lastPercent }
    sample = (now, cpu)
    lastPercent = Double(cpu &- min(cpu, last.cpu)) * 1000 / Double(now - last.time) * 100
    return lastPercent
  }
}
