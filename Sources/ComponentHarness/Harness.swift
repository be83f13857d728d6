// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LaunchPlan
import LinuxKernel

/// PID 1 of a container: carries out the launch plan, starts the workload, reaps, forwards signals, keeps the log, and
/// tells its controllers what happens.
///
/// Single-threaded but for the identity's files; it sleeps in poll(2) until something happens and has no timer while idle. It outlives any
/// controller: whoever connects to its control socket next is told the state and is obeyed.
public struct Harness: ~Copyable {
  private var channels: ControlChannels
  private let signals: SharedDescriptor
  private let state: SharedDescriptor
  private var log: LogSegments
  private var output: [OutputPipe] = []
  private let plan: LaunchPlan
  private var notify: SharedDescriptor?
  private let terminals: SharedDescriptor
  /// The AppArmor profile of what is started, with the container's `/proc` as it was before anything could cover it.
  private let profile: (name: String, proc: SharedDescriptor)?
  private var workload: Int32 = -1
  private var ready = false
  private var ending: ExitStatus?
  /// Processes that `exec` started, by pid.
  private var execs: [Int32: UInt64] = [:]
  private var identity: HarnessIdentity?
  /// Where the kernel asks about the identity's files.
  private let served: SharedDescriptor?

  /// What PID 1 keeps beside the container's own capabilities: to start processes as other users, to signal them, and
  /// to take from them what they are not to have.
  private static let kept: CapabilitySet = [.setUid, .setGid, .kill, .setPcap]

  /// What is the same for every container, and done before the plan is there.
  private static let preparation: [Operation] = [.isolateMounts, .loopback]

  /// Runs PID 1 to its end and returns its exit code. `channel` is the controller's end of the start.
  ///
  /// It begins before anyone has decided what container it will be: with namespaces of its own, all capabilities in
  /// them, and ids that are not mapped yet. The message with the plan says that they are.
  public static func run(channel: Int32) -> Int32 {
    cl_prctl(CL_PR_SET_DUMPABLE, 0, 0, 0, 0)
    // The workload starts with what Linux programs expect, whatever the controller keeps for itself.
    umask(0o022)
    do {
      try PlanExecutor(kernel: LiveKernel(), root: -1, slots: []).execute(preparation)
    } catch {
      return report(channel, error.operation.summary, error.error)
    }
    let message: (bytes: [UInt8], descriptors: [SharedDescriptor])
    do {
      message = try UnixSocket.receive(from: channel, capacity: 192 << 10, descriptors: 32)
    } catch {
      return 125
    }
    // The controller died before it sent the plan: nothing has begun, nothing is left.
    guard !message.bytes.isEmpty else { return 125 }
    do {
      guard case .launch(let plan) = try HarnessRequest(decoding: message.bytes), message.descriptors.count >= 3 else {
        return report(channel, "reading the launch plan", SyscallError(call: "plan", object: "message", errno: EBADMSG))
      }
      ProcessTitle.set(plan.name)
      try check(cl_become(0, 0, [], 0), "setresuid")
      var harness = try Harness(plan: plan, descriptors: message.descriptors, channel: channel)
      return harness.live()
    } catch let failure as PlanFailure {
      return report(channel, failure.operation.summary, failure.error)
    } catch let error as SyscallError {
      return report(channel, "preparing the container", error)
    } catch {
      return report(
        channel, "reading the launch plan: \(error)", SyscallError(call: "plan", object: "message", errno: EBADMSG))
    }
  }

  private static func report(_ channel: Int32, _ stage: String, _ error: SyscallError) -> Int32 {
    try? UnixSocket.send(HarnessEvent.failed(stage: stage, error: error).encoded(), to: channel)
    return 125
  }

  private init(plan: LaunchPlan, descriptors: [SharedDescriptor], channel: Int32) throws {
    let root = descriptors[0]
    let listener = try descriptors[2].duplicate()
    let signals = SharedDescriptor(try SignalDescriptor.open())
    // The end of an earlier run is not this one's.
    try FileSystem.remove(ExitRecord.fileName, in: descriptors[1].raw)

    let executor = PlanExecutor(kernel: LiveKernel(), root: root.raw, slots: descriptors.dropFirst(3).map(\.raw))
    try executor.execute(plan.operations)

    // Held from before the workload's first instruction, so that no path of the container is trusted later.
    let terminals = SharedDescriptor(
      try FileSystem.open("/dev/pts", flags: FileSystem.pathOnly | O_DIRECTORY | O_NOFOLLOW))
    let profile =
      plan.profile.isEmpty
      ? nil
      : (
        name: plan.profile,
        proc: SharedDescriptor(try FileSystem.open("/proc", flags: FileSystem.pathOnly | O_DIRECTORY | O_NOFOLLOW))
      )
    let notify =
      plan.readiness == .notify
      ? SharedDescriptor(try UnixSocket.bind(abstract: "@nodeagent/notify", kind: .datagram)) : nil
    let capabilities = Self.kept.union(plan.workload.capabilities)
    try Self.check(cl_bound_capabilities(capabilities.rawValue), "prctl(PR_CAPBSET_DROP)")
    try Self.check(cl_capset(capabilities.rawValue, capabilities.rawValue, 0), "capset")
    try Self.check(cl_prctl(CL_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    cl_prctl(CL_PR_SET_DUMPABLE, 0, 0, 0, 0)

    let served = plan.operations.lazy.compactMap { operation in
      if case .identityFiles(let slot, _) = operation { return descriptors[3 + Int(slot)] }
      return nil
    }.first

    // Nothing fails from here on: a value with an owner is made whole or not at all.
    self.served = served
    self.plan = plan
    self.signals = signals
    self.terminals = terminals
    self.profile = profile
    self.notify = notify
    state = descriptors[1]
    let journal = plan.journal.isEmpty ? nil : descriptors.last.map { JournalSender(socket: $0, fields: plan.journal) }
    log = LogSegments(directory: descriptors[1].raw, settings: plan.log, journal: journal)
    channels = ControlChannels(first: Descriptor(owning: channel), listener: listener)
  }

  private static func check(_ result: Int32, _ call: String) throws(SyscallError) {
    if result < 0 { throw SyscallError(call: call, object: "PID 1", errno: -result) }
  }

  // MARK: - Life

  private mutating func live() -> Int32 {
    do {
      if !plan.identity.isEmpty { identity = try HarnessIdentity(token: plan.identity, served: served) }
      try startWorkload()
    } catch let failure as StartFailure {
      channels.send(HarnessEvent.failed(stage: failure.stage, error: failure.error))
      return failure.error.errno == ENOENT ? 127 : 126
    } catch {
      return 125
    }
    channels.send(HarnessEvent.started)
    if plan.readiness == .started { becomeReady() }
    while ending == nil {
      do {
        try turn()
      } catch {
        // poll(2) itself failed: without it PID 1 is blind; end with a reason rather than spin.
        log.note("the harness cannot wait for events: \(error)")
        ending = .exited(125)
      }
    }
    return finish(ending ?? .exited(125))
  }

  private mutating func becomeReady() {
    guard !ready else { return }
    ready = true
    channels.send(HarnessEvent.ready)
  }

  /// Waits for something to happen and deals with it.
  private mutating func turn() throws(SyscallError) {
    var poll = PollSet()
    let signalIndex = poll.add(signals.raw)
    let listenerIndex = poll.add(channels.listener)
    let notifyIndex = notify.map { poll.add($0.raw) }
    let outputIndices = output.map { poll.add($0.descriptor) }
    let channelIndices = channels.descriptors.map { poll.add($0) }
    _ = try poll.wait(milliseconds: identity?.patience ?? -1)
    identity?.forgetPrevious()

    // Requests first: an exec whose process has already ended must still get its answers in order.
    let readable = zip(channels.descriptors, channelIndices).filter { poll.isReadable($0.1) }.map(\.0)
    for channel in readable { serve(channel) }
    if poll.isReadable(listenerIndex) { channels.accept() }
    for (index, pollIndex) in outputIndices.enumerated() where poll.isReadable(pollIndex) {
      output[index].read(into: &log)
    }
    output.removeAll { $0.isClosed }
    if let notifyIndex, poll.isReadable(notifyIndex) { readNotification() }
    if poll.isReadable(signalIndex) { handleSignals() }
  }

  private mutating func handleSignals() {
    while true {
      var sender: Int32 = 0
      let number = cl_next_signal(signals.raw, &sender)
      if number <= 0 { break }
      if number == SIGCHLD {
        reap()
      } else if workload > 0 {
        // Whoever signals PID 1 means the workload.
        kill(workload, number)
      }
    }
  }

  private mutating func reap() {
    var info = cl_exit()
    while cl_wait_any(&info) == 1 {
      let status: ExitStatus =
        info.signaled ? .signaled(info.status, coreDumped: info.dumped) : .exited(info.status)
      if info.pid == workload {
        workload = -1
        ending = status
      } else if let id = execs.removeValue(forKey: info.pid) {
        channels.send(HarnessEvent.execExited(id: id, status))
      }
    }
  }

  private mutating func readNotification() {
    guard let socket = notify?.raw else { return }
    for item in NotificationReader.read(socket, from: nil) {
      switch item {
      case .notice(.ready): becomeReady()
      case .text(let text): channels.send(HarnessEvent.statusText(text))
      case .notice: break
      }
    }
  }

  /// The workload has ended: ends what it left behind, keeps its last words, records how it ended.
  private mutating func finish(_ status: ExitStatus) -> Int32 {
    kill(-1, SIGKILL)
    var info = cl_exit()
    while true {
      let result = cl_wait_any(&info)
      if result == -ECHILD { break }
      if result == 1 {
        if let id = execs.removeValue(forKey: info.pid) {
          channels.send(
            HarnessEvent.execExited(
              id: id, info.signaled ? .signaled(info.status, coreDumped: info.dumped) : .exited(info.status)))
        }
        continue
      }
      var poll = PollSet()
      poll.add(signals.raw)
      _ = try? poll.wait(milliseconds: 100)
      while cl_next_signal(signals.raw, nil) > 0 {}
    }
    for index in output.indices { output[index].drain(into: &log) }
    do {
      try ExitRecord(status: status, time: Clock.wallMicroseconds()).write(in: state.raw)
    } catch {
      log.note("the exit status could not be recorded: \(error)")
    }
    channels.send(HarnessEvent.exited(status))
    return status.shellCode
  }

  // MARK: - Requests

  private mutating func serve(_ channel: Int32) {
    let message: (bytes: [UInt8], descriptors: [SharedDescriptor])
    do {
      message = try UnixSocket.receive(from: channel, capacity: 192 << 10, descriptors: 4)
    } catch {
      if error.errno != EAGAIN { channels.close(channel) }
      return
    }
    guard !message.bytes.isEmpty, let request = try? HarnessRequest(decoding: message.bytes) else {
      channels.close(channel)
      return
    }
    switch request {
    case .launch: channels.close(channel)
    case .signal(let number, let everyone):
      if everyone {
        kill(-1, number)
      } else if workload > 0 {
        kill(workload, number)
      }
    case .exec(let id, let workload): startExec(id: id, workload, message.descriptors, channel)
    case .signalExec(let id, let number):
      if let pid = execs.first(where: { $0.value == id })?.key { kill(pid, number) }
    case .status: channels.send(HarnessEvent.status(started: workload > 0, ready: ready), to: channel)
    case .connect(let id, let address): connect(id, address, channel)
    case .modified(let id, let path): tellModified(id, path, channel)
    case .identity(let id, let token, let signal): takeIdentity(id, token, signal, channel)
    }
  }

  /// For a health check: the socket is made here, where the server is, and used elsewhere.
  private mutating func connect(_ id: UInt64, _ address: String, _ channel: Int32) {
    do {
      guard let target = ListenAddress(address) else {
        throw SyscallError(call: "connect", object: address, errno: EINVAL)
      }
      let socket = SharedDescriptor(try target.beginConnect())
      channels.send(HarnessEvent.connected(id: id), to: channel, descriptors: [socket])
    } catch let error as SyscallError {
      channels.send(HarnessEvent.lookFailed(id: id, errno: error.errno), to: channel)
    } catch {
      channels.send(HarnessEvent.lookFailed(id: id, errno: EINVAL), to: channel)
    }
  }

  private mutating func takeIdentity(_ id: UInt64, _ token: String, _ signal: Int32, _ channel: Int32) {
    do {
      guard identity != nil else { throw SyscallError(call: "request_key", object: "the identity", errno: ENOKEY) }
      try identity?.take(token)
      if signal > 0, workload > 0 { kill(workload, signal) }
      channels.send(HarnessEvent.identityTaken(id: id), to: channel)
    } catch let failure as StartFailure {
      channels.send(HarnessEvent.lookFailed(id: id, errno: failure.error.errno), to: channel)
    } catch let error as SyscallError {
      channels.send(HarnessEvent.lookFailed(id: id, errno: error.errno), to: channel)
    } catch {
      channels.send(HarnessEvent.lookFailed(id: id, errno: EINVAL), to: channel)
    }
  }

  private mutating func tellModified(_ id: UInt64, _ path: String, _ channel: Int32) {
    var info = stat()
    guard stat(path, &info) == 0 else {
      return channels.send(HarnessEvent.lookFailed(id: id, errno: errno), to: channel)
    }
    let time = Int64(info.st_mtim.tv_sec) * 1000 + Int64(info.st_mtim.tv_nsec) / 1_000_000
    channels.send(HarnessEvent.modified(id: id, time), to: channel)
  }

  private mutating func startExec(id: UInt64, _ workload: Workload, _ files: [SharedDescriptor], _ channel: Int32) {
    do {
      if workload.terminal {
        let terminal = try openTerminal()
        let process = try WorkloadStart.start(
          workload, profile: profile, input: terminal.slave, output: terminal.slave, error: terminal.slave)
        execs[process] = id
        channels.send(HarnessEvent.execStarted(id: id), to: channel, descriptors: [terminal.master])
      } else {
        guard files.count == 3 else {
          throw StartFailure(
            stage: "placing its descriptors", error: SyscallError(call: "exec", object: "descriptors", errno: EBADF))
        }
        let process = try WorkloadStart.start(
          workload, profile: profile, input: files[0], output: files[1], error: files[2])
        execs[process] = id
        channels.send(HarnessEvent.execStarted(id: id), to: channel)
      }
    } catch let failure as StartFailure {
      channels.send(HarnessEvent.execFailed(id: id, stage: failure.stage, errno: failure.error.errno), to: channel)
    } catch let error as SyscallError {
      channels.send(
        HarnessEvent.execFailed(id: id, stage: "opening a terminal (\(error.call))", errno: error.errno), to: channel)
    } catch {
      channels.send(HarnessEvent.execFailed(id: id, stage: "\(error)", errno: EINVAL), to: channel)
    }
  }

  /// A new terminal of the container's own devpts; its slave is reached through the master, never by path
  /// (CVE-2025-52565).
  private func openTerminal() throws(SyscallError) -> (master: SharedDescriptor, slave: SharedDescriptor) {
    let master = try FileSystem.open(
      "ptmx", beneath: terminals.raw, flags: O_RDWR | O_NOCTTY, resolve: [.beneath, .noSymlinks])
    try Self.check(cl_pty_unlock(master.raw), "ioctl(TIOCSPTLCK)")
    let slave = cl_pty_peer(master.raw)
    try Self.check(slave, "ioctl(TIOCGPTPEER)")
    return (SharedDescriptor(master), SharedDescriptor(Descriptor(owning: slave)))
  }

  private mutating func startWorkload() throws {
    let out = try Pipe()
    let errors = try Pipe()
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    var workload = plan.workload
    if plan.readiness == .notify { workload.environment.append("NOTIFY_SOCKET=@nodeagent/notify") }
    self.workload = try WorkloadStart.start(
      workload, profile: profile, input: null, output: out.writing, error: errors.writing)
    output = [OutputPipe(out.reading, stream: .out), OutputPipe(errors.reading, stream: .error)]
  }
}
