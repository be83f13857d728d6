// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel

/// A command beside a sub-system's process, run as the same user: its reload, a health check or a remedy.
enum SubsystemCommand {
  /// Waits for its end.
  ///
  /// - Throws: `start failed`, with the end of what it wrote, when its code is not 0.
  static func run(_ command: [String], of spec: SubsystemSpec, as user: SubsystemUser, timeout: Int64)
    throws -> String
  {
    let output = SharedDescriptor(Descriptor(owning: cl_memfd("command")))
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    var request = SpawnRequest(
      .path(command[0]), arguments: command,
      environment: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        + spec.environment.map { "\($0.key)=\($0.value)" })
    request.descriptors = [(null, 0), (output, 1), (output, 2)]
    request.newSession = true
    request.noNewPrivileges = true
    request.workingDirectory = spec.directory
    request.identity = .init(uid: user.uid, gid: user.gid, groups: user.groups)
    let capabilities = user.uid == 0 ? try CapabilitySet.permitted().rawValue : 0
    request.capabilities = .init(bounding: capabilities, permitted: capabilities, ambient: 0)
    let child = try WaitedChildren.start(request)
    if let failure = try SpawnFailure.read(from: child.report) {
      try WaitedChildren.reap(child.pidfd)
      throw RPCError(.startFailed, "\(spec.name): \(command[0]): \(failure)")
    }
    guard try child.pidfd.waitForEnd(milliseconds: Int32(clamping: timeout)) else {
      try child.pidfd.signal(SIGKILL)
      try WaitedChildren.reap(child.pidfd)
      throw RPCError(.deadlineExceeded, "\(spec.name): \(command[0]) did not end within \(timeout) ms")
    }
    let status = try WaitedChildren.reap(child.pidfd)
    guard status == .exited(0) else {
      throw RPCError(
        .startFailed,
        "\(spec.name): \(command.joined(separator: " ")) ended with \(status?.shellCode ?? -1): \(end(of: output))")
    }
    return end(of: output)
  }

  /// The last words in a file that a command has written, whatever it has written.
  static func end(of output: SharedDescriptor) -> String {
    var bytes = [UInt8](repeating: 0, count: 500)
    let size = lseek(output.raw, 0, SEEK_END)
    let count = bytes.withUnsafeMutableBytes { pread(output.raw, $0.baseAddress, $0.count, max(0, size - 500)) }
    let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    return String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
