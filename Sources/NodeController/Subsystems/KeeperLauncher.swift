// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel

/// Starts sub-systems' processes with their keepers, and finds those that an earlier node controller left. Calls wait.
struct KeeperLauncher: Sendable {
  let files: SubsystemFiles
  let place: any SubsystemPlace
  let identity: KeeperIdentity
  let watcher: DescriptorWatcher

  /// Long enough for a machine under load; it says no more than that the program was executed.
  private static let patience: Int32 = 60_000

  // MARK: - Starting

  /// - Throws: `start failed` with the step that failed; nothing of it is left then.
  func start(_ spec: SubsystemSpec, sockets: [SharedDescriptor], identity token: CertMethods.Token?) throws
    -> SubsystemRun
  {
    let user = try SubsystemUser(spec)
    try files.prepare()
    // What an earlier run left, and nobody has noticed.
    _ = try place.endAll(of: spec.name, sparing: nil)
    let (own, theirs) = try UnixSocket.pair(.seqpacket)
    let (descriptors, notify) = try files.descriptors()
    let journal = Self.journalSocket()
    var plan = try plan(spec, user, notify: notify, journal: journal != nil)
    let (keeper, entrances) = try place.startKeeper(spec, channel: theirs)
    plan.entrances = entrances.count
    plan.identity = token?.token ?? ""
    do {
      let connection = KeeperConnection(own, watcher: watcher)
      let started = Clock.monotonicNanoseconds()
      var record = SubsystemFiles.Record(
        spec: spec, keeper: keeper.pid, keeperStart: try ProcessStatus.identity(of: keeper.pid).startTime, pid: 0,
        started: started, sockets: spec.sockets.map(\.listen))
      record.agent = token?.agent
      // Already now: whoever comes after a node controller that dies before the answer has to find the keeper.
      try files.write(record)
      try connection.send(.keep(plan), descriptors: descriptors + entrances + sockets + (journal.map { [$0] } ?? []))
      let workload: HeldProcess?
      var event = try connection.receive(within: Self.patience)?.event
      if case .keyring(let ring) = event {
        record.ring = ring
        event = try connection.receive(within: Self.patience)?.event
      }
      switch event {
      case .started(let pid): workload = try Self.hold(pid, childOf: keeper)
      case .failed(let stage, let error):
        throw RPCError(.startFailed, Self.explain(spec, stage, error))
      case let event:
        throw RPCError(
          .startFailed, "\(spec.name): its keeper said \(event.map { "\($0)" } ?? "nothing") and not started")
      }
      record.pid = workload?.pid ?? 0
      try files.write(record)
      return SubsystemRun(
        keeper: keeper, workload: workload, connection: connection, started: started, identity: record.identity)
    } catch {
      discard(spec.name, keeper)
      throw error
    }
  }

  /// For a start that failed: nothing of it stays.
  private func discard(_ name: String, _ keeper: HeldProcess) {
    // Each step is tried; what fails is found by the next start, which ends everything in the place first.
    _ = try? place.endAll(of: name, sparing: keeper.pid)
    _ = try? keeper.signal(SIGKILL)
    _ = try? keeper.pidfd.waitForEnd(milliseconds: 5000)
    if keeper.isChild { _ = try? WaitedChildren.reap(keeper.pidfd) }
    try? place.remove(name)
  }

  /// The workload by its pid, which only counts as long as it is the keeper's child; `nil` when it has ended already.
  private static func hold(_ pid: Int32, childOf keeper: HeldProcess) throws -> HeldProcess? {
    do {
      let process = try HeldProcess(opening: pid)
      guard try ProcessStatus.identity(of: pid).parent == keeper.pid else {
        throw RPCError(.startFailed, "process \(pid) is not its keeper's child")
      }
      return process
    } catch let error as SyscallError where error.errno == ESRCH || error.errno == ENOENT {
      // It has ended already; the keeper says how.
      return nil
    }
  }

  private static func explain(_ spec: SubsystemSpec, _ stage: String, _ error: SyscallError) -> String {
    let command = spec.command.first ?? ""
    let hint =
      switch (error.call, error.errno) {
      case ("request_key", _):
        "; nodeagent cert status says whether the kernel's requests are answered, nodeagent events --kind certificate what was refused"
      case ("execve", ENOENT): "; is \(command) installed, with the interpreter or loader that it needs?"
      case ("execve", EACCES): "; may \(spec.user ?? "root") execute \(command)?"
      default: ""
      }
    return
      "\(spec.name): \(stage) failed: \(SyscallError.words(for: error.errno)) (\(error.call) on \(error.object))\(hint)"
  }

  private func plan(_ spec: SubsystemSpec, _ user: SubsystemUser, notify: String, journal: Bool) throws -> KeepPlan {
    var environment = [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(user.home)", "USER=\(user.name)",
      "LOGNAME=\(user.name)", "LANG=C.UTF-8",
    ]
    environment.removeAll { line in spec.environment.keys.contains { line.hasPrefix("\($0)=") } }
    environment += spec.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    if spec.readiness == .notify || spec.watchdog != nil { environment.append("NOTIFY_SOCKET=\(notify)") }
    if let watchdog = spec.watchdog { environment.append("WATCHDOG_USEC=\(watchdog * 1000)") }
    if !spec.sockets.isEmpty {
      environment.append("LISTEN_FDS=\(spec.sockets.count)")
      environment.append("LISTEN_FDNAMES=\(spec.sockets.map(\.name).joined(separator: ":"))")
    }
    var limits: [Workload.Limit] = []
    if let files = spec.limits.files {
      limits.append(.init(resource: Int32(RLIMIT_NOFILE.rawValue), soft: files, hard: files))
    }
    let core = spec.limits.core ?? 0
    limits.append(.init(resource: Int32(RLIMIT_CORE.rawValue), soft: core, hard: core))
    return KeepPlan(
      name: spec.name,
      workload: Workload(
        arguments: spec.command, environment: environment, workingDirectory: spec.directory, uid: user.uid,
        gid: user.gid, groups: user.groups, capabilities: try capabilities(spec, user), limits: limits),
      sockets: spec.sockets.map(\.name), uid: identity.uid, gid: identity.gid,
      log: .init(segmentBytes: spec.log.size, segments: spec.log.segments),
      journal: journal ? Array("SYSLOG_IDENTIFIER=\(spec.name)\nSUBSYSTEM_NAME=\(spec.name)\n".utf8) : [])
  }

  private func capabilities(_ spec: SubsystemSpec, _ user: SubsystemUser) throws -> CapabilitySet {
    guard let names = spec.capabilities else { return user.uid == 0 ? .all : [] }
    let wanted = CapabilitySet(names.compactMap { CapabilitySet(name: $0) })
    if place.backend == .builtIn {
      let missing = wanted.subtracting(try CapabilitySet.permitted())
      guard missing.isEmpty else {
        throw RPCError(
          .startFailed,
          "\(spec.name): the agent does not have \(missing.memberNames.joined(separator: ", ")) and so cannot give it")
      }
    }
    return wanted
  }

  /// A socket to systemd's journal, where it runs.
  private static func journalSocket() -> SharedDescriptor? {
    let path = "/run/systemd/journal/socket"
    guard FileSystem.exists(path), let socket = try? UnixSocket.connect(path, kind: .datagram),
      (try? Descriptor.setNonblocking(socket.raw, true)) != nil
    else { return nil }
    return SharedDescriptor(socket)
  }

  // MARK: - Adoption

  /// What an earlier node controller left running.
  struct Adopted: Sendable {
    let run: SubsystemRun
    let status: KeeperEvent.Status
    let sockets: [SharedDescriptor]
  }

  /// `nil` when the run has ended meanwhile.
  ///
  /// - Throws: when the keeper lives and cannot be talked to.
  func adopt(_ record: SubsystemFiles.Record) throws -> Adopted? {
    guard let keeper = try? HeldProcess(opening: record.keeper),
      (try? ProcessStatus.identity(of: record.keeper).startTime) == record.keeperStart, keeper.pidfd.isRunning()
    else { return nil }
    do {
      let connection = try KeeperConnection.connect(files.control, watcher: watcher)
      try connection.send(.status)
      while let (event, descriptors) = try connection.receive(within: 30_000) {
        guard case .status(let status) = event else { continue }
        guard status.pid > 0 else { return nil }
        let workload = try Self.hold(status.pid, childOf: keeper)
        return Adopted(
          run: SubsystemRun(
            keeper: keeper, workload: workload, connection: connection, started: record.started,
            identity: record.identity),
          status: status, sockets: descriptors)
      }
      return nil
    } catch {
      // One that is just about to go has a record that says how its workload ended.
      guard keeper.pidfd.isRunning(), files.exit() == nil else { return nil }
      throw error
    }
  }
}
