// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import JSONRPC
import LinuxKernel

/// Asks systemd by its own tool, with fixed arguments and a deadline.
public enum Systemctl {
  /// True on a machine that systemd has booted (sd_booted(3)).
  public static var isThere: Bool {
    FileSystem.exists("/run/systemd/system") && FileSystem.exists("/usr/bin/systemctl")
  }

  /// True once the machine is being shut down.
  public static func isShuttingDown() -> Bool {
    guard isThere else { return false }
    // It exits with a code of its own for every state but "running".
    return (try? run(["is-system-running"], expectsSuccess: false))?.hasPrefix("stopping") ?? false
  }

  /// What it prints.
  @discardableResult
  public static func run(_ arguments: [String], expectsSuccess: Bool = true) throws -> String {
    try run("/usr/bin/systemctl", arguments, expectsSuccess: expectsSuccess)
  }

  private static func run(_ path: String, _ arguments: [String], expectsSuccess: Bool) throws -> String {
    let words = arguments.joined(separator: " ")
    // A file and not a pipe: nothing can fill up, and whoever inherits it holds nobody up.
    let output = SharedDescriptor(Descriptor(owning: cl_memfd("systemctl")))
    let child = try start(path, arguments, output: output)
    guard try child.pidfd.waitForEnd(milliseconds: 90_000) else {
      try child.pidfd.signal(SIGKILL)
      try WaitedChildren.reap(child.pidfd)
      throw RPCError(.deadlineExceeded, "systemctl \(words) did not end within 90 s")
    }
    let status = try WaitedChildren.reap(child.pidfd)
    lseek(output.raw, 0, SEEK_SET)
    let text = String(decoding: try FileSystem.readAll(output.raw, limit: 64 << 10, object: "systemctl"), as: UTF8.self)
    guard !expectsSuccess || status == .exited(0) else {
      throw RPCError(
        .unavailable, "systemctl \(words) failed: \(text.split(separator: "\n").last ?? "no reason given")")
    }
    return text
  }

  /// Starts a program of systemd's.
  static func start(_ path: String, _ arguments: [String], output: SharedDescriptor) throws -> SpawnedProcess {
    var request = SpawnRequest(
      .path(path), arguments: [path] + arguments,
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"])
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    request.descriptors = [(null, 0), (output, 1), (output, 2)]
    let child = try WaitedChildren.start(request)
    if let failure = try SpawnFailure.read(from: child.report) {
      try WaitedChildren.reap(child.pidfd)
      throw RPCError(.unavailable, "\(path) could not be started: \(failure)")
    }
    return child
  }
}
