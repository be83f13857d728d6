// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LaunchPlan
import LinuxKernel

/// The parent of a sub-system's process on the host: starts it, keeps its log, hears what it says about itself, and
/// records how it ended.
///
/// It outlives the node controller, so that no line and no exit status is lost while that is away. Root only until the
/// workload runs; then a user without any privilege, because what it reads comes from the workload. It signals nobody:
/// that is the node controller's, by pidfd and cgroup.
public struct Keeper: ~Copyable {
  private let plan: KeepPlan
  private var channels: ControlChannels
  private let signals: SharedDescriptor
  private let state: SharedDescriptor
  private let notify: SharedDescriptor
  private let sockets: [SharedDescriptor]
  private var log: LogSegments
  private var output: [OutputPipe] = []
  private var status = KeeperEvent.Status(pid: 0, ready: false, heartbeat: 0, text: "")
  private var ending: ExitStatus?

  /// How long it waits, after the workload's end, for those who still can write to the log.
  private static let patienceMilliseconds: Int32 = 10_000

  /// Runs the keeper to its end and returns its exit code. `channel` is the node controller's end of the start.
  public static func run(channel: Int32) -> Int32 {
    umask(0o022)
    // What the workload leaves behind comes here, and is reaped.
    cl_prctl(CL_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    let message: (bytes: [UInt8], descriptors: [SharedDescriptor])
    do {
      message = try UnixSocket.receive(from: channel, capacity: 192 << 10, descriptors: 32)
    } catch {
      return 125
    }
    // The node controller died before it sent the plan: nothing has begun.
    guard !message.bytes.isEmpty else { return 125 }
    do {
      guard case .keep(let plan) = try KeeperRequest(decoding: message.bytes),
        message.descriptors.count == 3 + plan.entrances + plan.sockets.count + (plan.journal.isEmpty ? 0 : 1)
      else { throw SyscallError(call: "plan", object: "message", errno: EBADMSG) }
      var keeper = try Keeper(plan: plan, descriptors: message.descriptors, channel: channel)
      return keeper.live()
    } catch let failure as StartFailure {
      report(channel, failure.stage, failure.error)
      return failure.error.errno == ENOENT ? 127 : 126
    } catch let error as SyscallError {
      report(channel, "preparing the sub-system", error)
    } catch {
      report(channel, "reading the plan: \(error)", SyscallError(call: "plan", object: "message", errno: EBADMSG))
    }
    return 125
  }

  private static func report(_ channel: Int32, _ stage: String, _ error: SyscallError) {
    // Whoever started this may have gone; the exit code tells it, too.
    try? UnixSocket.send(KeeperEvent.failed(stage: stage, error: error).encoded(), to: channel)
  }

  private init(plan: KeepPlan, descriptors: [SharedDescriptor], channel: Int32) throws {
    let state = descriptors[0]
    for entrance in descriptors[3..<(3 + plan.entrances)] { try LiveKernel().joinCgroup(entrance.raw) }
    // The end of an earlier run is not this one's.
    try FileSystem.remove(ExitRecord.fileName, in: state.raw)
    let listener = try descriptors[1].duplicate()
    let signals = SharedDescriptor(try SignalDescriptor.open())
    let sockets = Array(descriptors.dropFirst(3 + plan.entrances).prefix(plan.sockets.count))
    let out = try Pipe()
    let errors = try Pipe()
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    var workload = plan.workload
    // Root's are whatever there is to give.
    workload.capabilities.formIntersection(try CapabilitySet.permitted())
    if !plan.identity.isEmpty {
      // Taken up as root, so that the node controller can put the next certificate there when this process is nobody.
      let ring = try HarnessIdentity(token: plan.identity, served: nil).ring
      try Keyring.set(.ownerChanges, of: ring)
      try UnixSocket.send(KeeperEvent.keyring(ring).encoded(), to: channel)
    }
    let pid = try WorkloadStart.start(
      workload, profile: nil, input: null, output: out.writing, error: errors.writing, sockets: sockets)
    try Self.check(cl_bound_capabilities(0), "prctl(PR_CAPBSET_DROP)")
    try Self.check(cl_become(plan.uid, plan.gid, [], 0), "setresuid")
    try Self.check(cl_capset(0, 0, 0), "capset")
    try Self.check(cl_prctl(CL_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")

    // Nothing fails from here on: a value with an owner is made whole or not at all.
    self.plan = plan
    self.state = state
    self.signals = signals
    self.sockets = sockets
    notify = descriptors[2]
    let journal = plan.journal.isEmpty ? nil : descriptors.last.map { JournalSender(socket: $0, fields: plan.journal) }
    log = LogSegments(directory: state.raw, settings: plan.log, journal: journal)
    channels = ControlChannels(first: Descriptor(owning: channel), listener: listener)
    output = [OutputPipe(out.reading, stream: .out), OutputPipe(errors.reading, stream: .error)]
    status.pid = pid
  }

  private static func check(_ result: Int32, _ call: String) throws(SyscallError) {
    if result < 0 { throw SyscallError(call: call, object: "the keeper", errno: -result) }
  }

  // MARK: - Life

  private mutating func live() -> Int32 {
    channels.send(KeeperEvent.started(pid: status.pid))
    var deadline: UInt64?
    while true {
      if ending != nil, output.isEmpty { break }
      var patience: Int32 = -1
      if let deadline {
        let now = Clock.monotonicNanoseconds()
        if now >= deadline { break }
        patience = Int32((deadline - now) / 1_000_000) + 1
      }
      do {
        try turn(patience)
      } catch {
        log.note("the keeper cannot wait for events: \(error)")
        return 125
      }
      if ending != nil, deadline == nil {
        deadline = Clock.monotonicNanoseconds() + UInt64(Self.patienceMilliseconds) * 1_000_000
      }
    }
    for index in output.indices { output[index].drain(into: &log) }
    return ending?.shellCode ?? 125
  }

  /// Waits for something to happen and deals with it.
  private mutating func turn(_ patience: Int32) throws(SyscallError) {
    var poll = PollSet()
    let signalIndex = poll.add(signals.raw)
    let listenerIndex = poll.add(channels.listener)
    let notifyIndex = poll.add(notify.raw)
    let outputIndices = output.map { poll.add($0.descriptor) }
    let channelIndices = channels.descriptors.map { poll.add($0) }
    guard try poll.wait(milliseconds: patience) else { return }
    let readable = zip(channels.descriptors, channelIndices).filter { poll.isReadable($0.1) }.map(\.0)
    for channel in readable { serve(channel) }
    if poll.isReadable(listenerIndex) { channels.accept() }
    for (index, pollIndex) in outputIndices.enumerated() where poll.isReadable(pollIndex) {
      output[index].read(into: &log)
    }
    output.removeAll { $0.isClosed }
    if poll.isReadable(notifyIndex) { hear() }
    if poll.isReadable(signalIndex) { reap() }
  }

  private mutating func hear() {
    for item in NotificationReader.read(notify.raw, from: plan.workload.uid) {
      switch item {
      case .notice(let notice):
        if notice == .ready { status.ready = true }
        if notice == .heartbeat || notice == .ready { status.heartbeat = Clock.monotonicNanoseconds() }
        channels.send(KeeperEvent.notice(notice))
      case .text(let text):
        status.text = text
        channels.send(KeeperEvent.text(text))
      }
    }
  }

  private mutating func reap() {
    // Signals for the keeper are not the workload's: whoever means that signals it, or its cgroup.
    while cl_next_signal(signals.raw, nil) > 0 {}
    var info = cl_exit()
    while cl_wait_any(&info) == 1 {
      guard info.pid == status.pid else { continue }
      let ended: ExitStatus = info.signaled ? .signaled(info.status, coreDumped: info.dumped) : .exited(info.status)
      status.pid = 0
      ending = ended
      // What it said last still counts, and is told before its end.
      hear()
      do {
        try ExitRecord(status: ended, time: Clock.wallMicroseconds()).write(in: state.raw)
      } catch {
        log.note("the exit status could not be recorded: \(error)")
      }
      channels.send(KeeperEvent.exited(ended))
    }
  }

  private mutating func serve(_ channel: Int32) {
    let message: (bytes: [UInt8], descriptors: [SharedDescriptor])
    do {
      message = try UnixSocket.receive(from: channel, capacity: 16 << 10, descriptors: 4)
    } catch {
      if error.errno != EAGAIN { channels.close(channel) }
      return
    }
    guard !message.bytes.isEmpty, let request = try? KeeperRequest(decoding: message.bytes), request == .status else {
      channels.close(channel)
      return
    }
    channels.send(KeeperEvent.status(status), to: channel, descriptors: sockets)
    if let ending { channels.send(KeeperEvent.exited(ending), to: channel) }
  }
}
