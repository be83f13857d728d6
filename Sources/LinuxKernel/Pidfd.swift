// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// How a process ended.
public enum ExitStatus: Sendable, Equatable, Hashable {
  /// It returned this code.
  case exited(Int32)
  /// This signal ended it.
  case signaled(Int32, coreDumped: Bool)

  init(_ info: cl_exit) {
    self = info.signaled ? .signaled(info.status, coreDumped: info.dumped) : .exited(info.status)
  }

  /// The shell's number: the code, or 128 + the signal.
  public var shellCode: Int32 {
    switch self {
    case .exited(let code): code
    case .signaled(let signal, _): 128 + signal
    }
  }
}

/// A process, held by descriptor, so that a reused pid is never taken for it (pidfd_open(2)).
public struct Pidfd: ~Copyable, Sendable {
  public let pid: Int32
  public let descriptor: Descriptor

  public init(pid: Int32, descriptor: consuming Descriptor) {
    self.pid = pid
    self.descriptor = descriptor
  }

  /// Holds a running process.
  public init(opening pid: Int32) throws(SyscallError) {
    self.pid = pid
    descriptor = Descriptor(owning: try check(cl_pidfd_open(pid), "pidfd_open", "process \(pid)"))
  }

  /// Sends a signal; a process that has ended is `ESRCH`.
  public borrowing func signal(_ signal: Int32) throws(SyscallError) {
    try check(cl_pidfd_signal(descriptor.raw, signal), "pidfd_send_signal", "process \(pid)")
  }

  /// True until the process has ended (a zombie has ended).
  public borrowing func isRunning() -> Bool {
    var entry = cl_poll(fd: descriptor.raw, events: Int16(CL_POLL_IN), revents: 0)
    return cl_poll(&entry, 1, 0) == 0
  }

  /// Waits until it has ended; false after `milliseconds`, of which -1 means without limit. Works for any process.
  public borrowing func waitForEnd(milliseconds: Int32) throws(SyscallError) -> Bool {
    var entry = cl_poll(fd: descriptor.raw, events: Int16(CL_POLL_IN), revents: 0)
    return try check(cl_poll(&entry, 1, milliseconds), "poll", "process \(pid)") > 0
  }

  /// Reaps the child; `nil` while it still runs and `wait` is false. Only its parent may.
  public borrowing func reap(wait: Bool) throws(SyscallError) -> ExitStatus? {
    var info = cl_exit()
    return try check(cl_wait_pidfd(descriptor.raw, wait, &info), "waitid", "process \(pid)") == 0
      ? nil : ExitStatus(info)
  }

  /// The pid that the kernel shows for a pidfd in this pid namespace (proc(5), fdinfo); -1 when it has ended.
  public static func pid(of descriptor: Int32) throws(SyscallError) -> Int32 {
    let text = try FileSystem.readText("/proc/self/fdinfo/\(descriptor)", limit: 4096)
    for line in text.split(separator: "\n") where line.hasPrefix("Pid:") {
      if let pid = Int32(line.dropFirst(4).filter { $0 != "\t" && $0 != " " }) { return pid }
    }
    throw SyscallError(call: "fdinfo", object: "descriptor \(descriptor)", errno: EBADF, detail: "not a pidfd")
  }
}

/// What `/proc/PID` tells of a process, parsed with care: its name may hold any byte.
public enum ProcessStatus {
  /// The parent and the start time (clock ticks since boot, proc(5) field 22), which together with the pid name a
  /// process for ever within one boot.
  public struct Identity: Sendable, Equatable {
    public var pid: Int32
    public var parent: Int32
    public var startTime: UInt64
  }

  public static func identity(of pid: Int32) throws(SyscallError) -> Identity {
    let text = try FileSystem.readText("/proc/\(pid)/stat", limit: 8192)
    guard let identity = parseStat(text, pid: pid) else {
      throw SyscallError(call: "read", object: "/proc/\(pid)/stat", errno: EBADMSG)
    }
    return identity
  }

  /// The effective uid of a process (proc(5), `status`); `nil` when it has ended.
  public static func owner(of pid: Int32) -> UInt32? {
    guard pid > 0, let text = try? FileSystem.readText("/proc/\(pid)/status", limit: 8192),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("Uid:") })
    else { return nil }
    let numbers = line.dropFirst(4).split(separator: "\t")
    return numbers.count > 1 ? UInt32(numbers[1]) : nil
  }

  /// The second field is the command in parentheses and may itself contain parentheses: the last one ends it.
  static func parseStat(_ text: String, pid: Int32) -> Identity? {
    guard let end = text.utf8.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19, let parent = Int32(fields[1]), let start = UInt64(fields[19]) else { return nil }
    return Identity(pid: pid, parent: parent, startTime: start)
  }
}
