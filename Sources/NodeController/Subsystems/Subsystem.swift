// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel
import Logging

/// A program that the node controller starts, waits for, restarts and stops: an actor around ``SubsystemMachine``.
actor Subsystem: ManagedSubsystem {
  struct Configuration: Sendable {
    var name: String
    var arguments: [String]
    var environment: [String]
    var identity: ControllerIdentity
    /// The socket that it serves. The node controller listens, so that callers wait while it is started again; it gets
    /// the listening socket as descriptor 3 (sd_listen_fds(3)).
    var socket: String
    /// Where its pid is written, so that the next node controller finds it.
    var pidFile: String
    var readyTimeoutMilliseconds: Int64 = 30_000
    var stopTimeoutMilliseconds: Int64 = 60_000
  }

  private let configuration: Configuration
  private let logger: Logger
  private var machine = SubsystemMachine()
  private var process: SharedProcess?
  private var started: UInt64 = 0
  private var stopSignal = SIGTERM
  private var reason: String?
  private var listening: SharedDescriptor?
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// A pidfd with several users.
  final class SharedProcess: Sendable {
    let pidfd: Pidfd
    let adopted: Bool
    init(_ pidfd: consuming Pidfd, adopted: Bool) {
      self.pidfd = pidfd
      self.adopted = adopted
    }
  }

  init(_ configuration: Configuration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
  }

  var view: SubsystemView {
    SubsystemView(
      name: configuration.name, state: machine.viewState, pid: process?.pidfd.pid, uid: configuration.identity.uid,
      restarts: machine.restarts, reason: reason)
  }

  func isProcess(_ peer: Peer) -> Bool { process?.pidfd.pid == peer.credentials.pid }

  func start() {
    if adopt() { return }
    perform(machine.apply(.startAsked))
  }

  func ready(from sender: Int32) {
    guard sender == process?.pidfd.pid else { return }
    perform(machine.apply(.ready))
    resumeWaiters()
  }

  func waitUntilSettled() async {
    if machine.state == .starting { await withCheckedContinuation { waiting.append($0) } }
  }

  func stop(signal: Int32) async {
    stopSignal = signal
    perform(machine.apply(.stopAsked))
    if machine.state == .stopping { await withCheckedContinuation { waiting.append($0) } }
  }

  private func resumeWaiters() {
    for waiter in waiting { waiter.resume() }
    waiting = []
  }

  private func perform(_ effects: [SubsystemMachine.Effect]) {
    for effect in effects {
      switch effect {
      case .spawn: spawn()
      case .terminate:
        let process = process
        try? process?.pidfd.signal(stopSignal)
        Task {
          try? await Task.sleep(for: .milliseconds(configuration.stopTimeoutMilliseconds))
          if self.isStopping(process) { try? process?.pidfd.signal(SIGKILL) }
        }
      case .kill: try? process?.pidfd.signal(SIGKILL)
      case .wait(let milliseconds):
        Task {
          try? await Task.sleep(for: .milliseconds(milliseconds))
          self.perform(self.machine.apply(.backoffOver))
        }
      }
    }
  }

  private func isStopping(_ process: SharedProcess?) -> Bool { machine.state == .stopping && self.process === process }

  private func spawn() {
    started = Clock.monotonicNanoseconds()
    do {
      let executable = SharedDescriptor(try FileSystem.open("/proc/self/exe", flags: FileSystem.pathOnly))
      let socket =
        try listening ?? AgentSocket.listen(configuration.socket, group: configuration.identity.gid)
      listening = socket
      let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
      let log = SharedDescriptor(try Descriptor.copy(of: 2))
      var request = SpawnRequest(
        .descriptor(executable), arguments: configuration.arguments, environment: configuration.environment)
      request.descriptors =
        [(null, 0), (log, 1), (log, 2), (socket, 3)]
      request.newSession = true
      request.identity = .init(uid: configuration.identity.uid, gid: configuration.identity.gid)
      request.capabilities = SpawnRequest.Capabilities.none
      request.noNewPrivileges = true
      request.workingDirectory = "/"
      let child = try request.start()
      if let failure = try SpawnFailure.read(from: child.report) {
        _ = try child.pidfd.reap(wait: true)
        throw RPCError(.startFailed, failure.description)
      }
      let pidfd = Pidfd(pid: child.pidfd.pid, descriptor: try child.pidfd.descriptor.duplicate())
      try remember(pidfd.pid)
      watch(SharedProcess(pidfd, adopted: false))
      let process = process
      Task {
        try? await Task.sleep(for: .milliseconds(configuration.readyTimeoutMilliseconds))
        if self.process === process { self.perform(self.machine.apply(.readyTimedOut)) }
      }
    } catch {
      reason = "\(error)"
      logger.error("cannot start a sub-system", metadata: ["subsystem": "\(configuration.name)", "error": "\(error)"])
      perform(machine.apply(.ended(after: 0)))
      resumeWaiters()
    }
  }

  private func remember(_ pid: Int32) throws {
    let identity = try ProcessStatus.identity(of: pid)
    try FileSystem.replace(
      configuration.pidFile, with: Array("\(pid) \(identity.startTime)\n".utf8), mode: 0o644)
  }

  /// Takes over the process that an earlier node controller left running.
  private func adopt() -> Bool {
    guard let text = try? FileSystem.readText(configuration.pidFile, limit: 64) else { return false }
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count == 2, let pid = Int32(fields[0]), let start = UInt64(fields[1]),
      let pidfd = try? Pidfd(opening: pid),
      let identity = try? ProcessStatus.identity(of: pid), identity.startTime == start, pidfd.isRunning()
    else { return false }
    logger.info("adopted", metadata: ["subsystem": "\(configuration.name)", "pid": "\(pid)"])
    started = Clock.monotonicNanoseconds()
    _ = machine.apply(.startAsked)
    _ = machine.apply(.ready)
    watch(SharedProcess(pidfd, adopted: true))
    return true
  }

  private func watch(_ process: SharedProcess) {
    self.process = process
    do {
      try NamedThread.start("wait-\(configuration.name)") {
        _ = try? process.pidfd.waitForEnd(milliseconds: -1)
        let status = process.adopted ? nil : try? process.pidfd.reap(wait: true)
        Task { await self.ended(process, status) }
      }
    } catch {
      logger.error("cannot watch a sub-system", metadata: ["subsystem": "\(configuration.name)", "error": "\(error)"])
    }
  }

  private func ended(_ process: SharedProcess, _ status: ExitStatus?) {
    guard self.process === process else { return }
    self.process = nil
    try? FileSystem.remove(configuration.pidFile)
    let seconds = Double(Clock.monotonicNanoseconds() - started) / 1e9
    reason =
      switch status {
      case .exited(let code): "it exited with code \(code)"
      case .signaled(let signal, _): "signal \(signal) ended it"
      case nil: "it ended"
      }
    logger.notice(
      "ended", metadata: ["subsystem": "\(configuration.name)", "reason": "\(reason ?? "")", "after": "\(seconds) s"])
    perform(machine.apply(.ended(after: seconds)))
    if machine.state != .starting { resumeWaiters() }
  }
}
