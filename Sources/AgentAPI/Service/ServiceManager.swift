// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Tells the service manager that started this process how it fares (sd_notify(3)): systemd, or the node controller for
/// its sub-systems. Without one, nothing is told.
public struct ServiceManager: Sendable {
  private let path: String?
  /// The service manager wants a sign of life at least so often, in milliseconds; `nil`: it wants none.
  public let watchdogMilliseconds: Int64?

  /// As the environment says (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`).
  public init() {
    self.init(
      socket: Self.variable("NOTIFY_SOCKET"), watchdog: Self.variable("WATCHDOG_USEC"),
      watchdogPID: Self.variable("WATCHDOG_PID"))
  }

  init(socket: String?, watchdog: String?, watchdogPID: String?) {
    path = socket.flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
    let isForUs = watchdogPID == nil || watchdogPID == "\(getpid())"
    watchdogMilliseconds = isForUs ? watchdog.flatMap { Int64($0) }.flatMap { $0 > 0 ? $0 / 1000 : nil } : nil
  }

  static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  /// True when somebody listens.
  public var isThere: Bool { path != nil }

  /// The service serves.
  public func ready(status: String) throws(SyscallError) { try tell(["READY=1", "STATUS=\(Self.oneLine(status))"]) }

  /// One line for `systemctl status`.
  public func status(_ text: String) throws(SyscallError) { try tell(["STATUS=\(Self.oneLine(text))"]) }

  /// It reads its configuration anew; ``ready(status:)`` ends that.
  public func reloading() throws(SyscallError) {
    try tell(["RELOADING=1", "MONOTONIC_USEC=\(Clock.monotonicNanoseconds() / 1000)"])
  }

  /// It has begun to end.
  public func stopping() throws(SyscallError) { try tell(["STOPPING=1"]) }

  /// The sign of life.
  public func alive() throws(SyscallError) { try tell(["WATCHDOG=1"]) }

  private func tell(_ assignments: [String]) throws(SyscallError) {
    guard let path else { return }
    let socket = try UnixSocket.connect(path, kind: .datagram)
    try UnixSocket.send(Array(assignments.joined(separator: "\n").utf8), to: socket.raw)
  }

  private static func oneLine(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }
}
