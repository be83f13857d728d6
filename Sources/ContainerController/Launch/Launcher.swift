// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import Logging

/// Starts containers: clone3, the host's part, the plan, and the first word of PID 1.
struct Launcher: Sendable {
  let instance: Instance
  let host: HostClient
  let watcher: DescriptorWatcher
  let pool: ProcessPool
  let unifiedCgroups: Bool
  let faults: FaultPoint
  let identities: IdentityClient
  let logger: Logger

  func runDirectory(_ name: String) -> String { "\(instance.controllerRun)/\(name)" }
  private func runtimeFile(_ name: String) -> String { "\(runDirectory(name))/runtime.json" }
  private func controlSocket(_ name: String) -> String { "\(runDirectory(name))/control.sock" }

  /// Starts a container and returns when its workload runs.
  ///
  /// All on one thread: each change of threads would cost more than most of the steps.
  ///
  /// - Throws: `start failed` with the step that failed. What was made on the host is then for the caller to release.
  func launch(_ name: String, _ record: ContainerRecord) async throws -> ContainerProcess {
    try await Blocking.run {
      try pool.withProcess { process in
        do {
          return try launch(name, record, process)
        } catch {
          process.end()
          throw error
        }
      }
    }
  }

  private func launch(_ name: String, _ record: ContainerRecord, _ process: PreparedProcess) throws -> ContainerProcess
  {
    let child = process.child
    faults.pass("start.cloned")
    let resources = record.resources
    let files = record.identity?.files
    let limits = CgroupLimits(
      memory: resources.memory, swap: resources.swap, cpuMilli: resources.cpuMilli, cpuWeight: resources.cpuWeight,
      pids: resources.pids)
    var made: (listener: SharedDescriptor, state: SharedDescriptor, startTime: UInt64)?
    var identity: CertMethods.Token?
    let (launched, descriptors) = try host.callWaiting(
      HostMethods.launch,
      .init(
        name: name, template: record.digest, limits: limits, network: record.network, publish: record.publications,
        links: record.spec.links, served: record.served,
        bandwidth: record.network == .private ? resources.bandwidth : nil, serves: files == nil ? nil : true),
      passing: child.pidfd.descriptor.raw
    ) {
      // First: what it is to be handed over is made while the container is.
      if record.identity != nil { identity = try identities.request(name, record) }
      try FileSystem.makeDirectory(runDirectory(name), mode: 0o700)
      made = (
        SharedDescriptor(try UnixSocket.listen(controlSocket(name), kind: .seqpacket, mode: 0o600, backlog: 8)),
        SharedDescriptor(try FileSystem.open(record.stateDirectory, flags: O_RDONLY | O_DIRECTORY)),
        try ProcessStatus.identity(of: child.pidfd.pid).startTime
      )
      faults.pass("start.listening")
    }
    guard let made else { throw RPCError(.internalError, "nothing was made while the host was asked") }
    faults.pass("start.launched")
    let runtime = RuntimeRecord(
      pid: child.pidfd.pid, startTime: made.startTime, started: Clock.wallMicroseconds(),
      address: launched.address, address6: launched.address6, publications: launched.publications,
      cgroups: launched.cgroups,
      interface: launched.interface, agent: identity?.agent)
    // Written before PID 1 may go on: a controller that dies from here on leaves a container that the next finds.
    try FileSystem.replace(runtimeFile(name), with: try JSONCoding.encode(runtime), mode: 0o600)
    faults.pass("start.recorded")
    var input = try input(
      name, record, address: launched.address, cgroupEntrances: descriptors.count - (files == nil ? 1 : 2))
    input.identityFiles = files
    let journal = journalSocket()
    input.hasJournal = journal != nil
    input.address6 = launched.address6
    input.linked = launched.linked ?? [:]
    if let gateway = launched.gateway {
      input.nameServers = ResolverLines.led(to: gateway, input.nameServers)
    }
    var plan = try LaunchPlanBuilder.plan(input)
    plan.profile = launched.profile ?? ""
    plan.identity = identity?.token ?? ""
    let connection = HarnessConnection(process.channel, watcher: watcher)
    do {
      try connection.send(
        .launch(plan),
        descriptors: [descriptors[0], made.state, made.listener] + descriptors.dropFirst()
          + (journal.map { [$0] } ?? []))
    } catch {
      // It has ended; below it has said why.
      guard error.errno == EPIPE || error.errno == ECONNRESET else { throw error }
    }
    faults.pass("start.planned")
    try awaitStart(name, record, process, connection)
    faults.pass("start.started")
    let held = Pidfd(pid: child.pidfd.pid, descriptor: try child.pidfd.descriptor.duplicate())
    return ContainerProcess(pidfd: held, connection: connection, runtime: runtime, isChild: true)
  }

  private func awaitStart(
    _ name: String, _ record: ContainerRecord, _ process: PreparedProcess, _ connection: HarnessConnection
  ) throws {
    if let failure = try SpawnFailure.read(from: process.child.report) {
      throw RPCError(.startFailed, "PID 1 of container \(name) could not be started: \(failure)")
    }
    switch try connection.receive(within: 60_000)?.event {
    case .started: return
    case .failed(let stage, let error):
      throw RPCError(.startFailed, Self.explain(stage, error, record))
    case .none:
      throw RPCError(.startFailed, "PID 1 of container \(name) ended before it said why")
    case .some(let event):
      throw RPCError(.startFailed, "PID 1 of container \(name) said \(event) instead of started")
    }
  }

  /// A failed operation as a sentence with what to do about it.
  private static func explain(_ stage: String, _ error: SyscallError, _ record: ContainerRecord) -> String {
    let command = (record.spec.command ?? record.descriptor.command).first ?? ""
    let hint: String
    switch (error.call, error.errno) {
    case ("execve", ENOENT):
      hint = "; is \(command) in the bundle's rootfs, with the interpreter or loader that it needs?"
    case ("fsopen", ENODEV): hint = "; the kernel lacks this file-system (modprobe \(error.object))"
    case ("request_key", _): hint = Self.identityHint(error.errno)
    case ("execve", EACCES): hint = "; is \(command) executable for uid \(record.descriptor.user.uid)?"
    case (_, ENOTDIR): hint = "; the image has a file or a link where a directory is needed"
    default: hint = ""
    }
    return
      "\(stage) failed: \(SyscallError.words(for: error.errno)) (\(error.call) on \(error.object))\(error.detail.map { ": \($0)" } ?? "")\(hint)"
  }

  private static func identityHint(_ errno: Int32) -> String {
    switch errno {
    case ENOKEY: "; nobody answers the kernel's requests for keys: nodeagent cert status says why"
    case EDQUOT: "; the container's user has no room for keys: /proc/key-users and keyrings(7) tell of its quota"
    case EKEYREJECTED: "; the certificate manager has refused it: nodeagent events --kind certificate says why"
    case EAGAIN: "; the certificate was not signed in time: nodeagent cert ls says why"
    default: "; does the certificate manager run? (nodeagent subsystem ls)"
    }
  }

  func input(_ name: String, _ record: ContainerRecord, address: String?, cgroupEntrances: Int = 0) throws
    -> LaunchInput
  {
    LaunchInput(
      name: name, descriptor: record.descriptor, spec: record.spec, resources: record.resources, address: address,
      nameServers: record.network == .private ? Self.nameServers() : [], unifiedCgroups: unifiedCgroups,
      seccomp: try SeccompCompiler.defaultProgram(readingKeys: record.identity != nil),
      cgroupEntrances: cgroupEntrances, reference: record.reference)
  }

  /// A socket to systemd's journal, where it runs; without it the container's own log is all there is.
  private func journalSocket() -> SharedDescriptor? {
    let path = "/run/systemd/journal/socket"
    guard FileSystem.exists(path) else { return nil }
    do {
      let socket = try UnixSocket.connect(path, kind: .datagram)
      try Descriptor.setNonblocking(socket.raw, true)
      return SharedDescriptor(socket)
    } catch {
      logger.warning("the journal cannot be reached", metadata: ["error": "\(error)"])
      return nil
    }
  }

  /// As the host has them now.
  private static func nameServers() -> [String] {
    ResolverLines.usable((try? FileSystem.readText("/etc/resolv.conf", limit: 64 << 10)) ?? "")
  }

  // MARK: - Adoption

  /// Finds the process that an earlier controller started, or `nil` when it has ended meanwhile.
  func adopt(_ name: String) throws -> (process: ContainerProcess, started: Bool, ready: Bool)? {
    guard let bytes = try? FileSystem.read(runtimeFile(name)),
      let runtime = try? JSONCoding.decode(RuntimeRecord.self, from: bytes)
    else { return nil }
    guard let pidfd = Self.hold(runtime) else { return nil }
    let connection: HarnessConnection
    do {
      connection = try HarnessConnection.connect(controlSocket(name), watcher: watcher)
      try connection.send(.status)
    } catch {
      return nil
    }
    while let event = try? connection.receive(within: 5000)?.event {
      if case .status(let started, let ready) = event {
        let held = Pidfd(pid: runtime.pid, descriptor: try Descriptor.copy(of: pidfd.raw))
        return (
          ContainerProcess(pidfd: held, connection: connection, runtime: runtime, isChild: false), started, ready
        )
      }
    }
    return nil
  }

  /// A pidfd of the recorded process, if that still lives.
  private static func hold(_ runtime: RuntimeRecord) -> SharedDescriptor? {
    do {
      let pidfd = try Pidfd(opening: runtime.pid)
      guard try ProcessStatus.identity(of: runtime.pid).startTime == runtime.startTime, pidfd.isRunning() else {
        return nil
      }
      return SharedDescriptor(try pidfd.descriptor.duplicate())
    } catch {
      return nil
    }
  }

  /// Ends a recorded process that cannot be talked to.
  func endRecorded(_ name: String) {
    guard let bytes = try? FileSystem.read(runtimeFile(name)),
      let runtime = try? JSONCoding.decode(RuntimeRecord.self, from: bytes), let held = Self.hold(runtime),
      let copy = try? Descriptor.copy(of: held.raw)
    else { return }
    let pidfd = Pidfd(pid: runtime.pid, descriptor: copy)
    try? pidfd.signal(SIGKILL)
    _ = try? pidfd.waitForEnd(milliseconds: 10_000)
  }

  /// When the recorded run began, in microseconds.
  func recordedStart(_ name: String) -> Int64? {
    (try? FileSystem.read(runtimeFile(name))).flatMap { try? JSONCoding.decode(RuntimeRecord.self, from: $0) }?.started
  }

  func forgetRun(_ name: String) throws(SyscallError) { try FileSystem.removeTree(runDirectory(name)) }
}
