// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel

/// Starts the process that unpacks an archive, in namespaces of its own, and reads what it reports.
struct UnpackChild {
  let host: HostClient

  /// Unpacks into a new template of the given digest, which the caller commits or removes.
  func unpack(
    _ archive: SharedDescriptor, size: UInt64, digest: String, progress: @escaping @Sendable (UInt64) -> Void
  ) async throws -> UnpackReport.Result {
    let gate = try Pipe()
    let (own, childEnd) = try UnixSocket.pair(.stream)
    let child = try await Blocking.run { try Self.spawn(archive, size: size, gate: gate, channel: childEnd) }
    defer {
      try? child.pidfd.signal(SIGKILL)
      _ = try? child.pidfd.reap(wait: true)
    }
    let (_, directories) = try await host.callForDescriptors(
      HostMethods.templateBegin, .init(digest: digest), passing: child.pidfd.descriptor.raw)
    // Its progress goes to a caller who may not read it.
    return try await Blocking.onOwnThread("unpack") {
      try FileSystem.write([1], to: gate.writing.raw, object: "the gate")
      if let failure = try SpawnFailure.read(from: child.report) {
        throw RPCError(.startFailed, "the unpacker could not be started: \(failure)")
      }
      try UnixSocket.send([1], descriptors: [directories[0]], to: own.raw)
      return try Self.read(own, progress: progress)
    }
  }

  private static func spawn(_ archive: SharedDescriptor, size: UInt64, gate: Pipe, channel: SharedDescriptor) throws
    -> SpawnedProcess
  {
    let executable = SharedDescriptor(try FileSystem.open("/proc/self/exe", flags: FileSystem.pathOnly))
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    var request = SpawnRequest(
      .descriptor(executable), arguments: ["nodeagent", "unpack", "\(size)"], environment: [])
    request.descriptors = [(archive, 0), (null, 1), (null, 2), (channel, 3)]
    request.namespaces = [.user, .pid, .mount, .uts, .ipc, .network]
    request.gate = gate.reading
    request.newSession = true
    request.noNewPrivileges = true
    request.identity = .init(uid: 0, gid: 0)
    // To give files their owners and modes, and nothing more.
    let kept = CapabilitySet([.chown, .dacOverride, .fileOwner, .fileSetId]).rawValue
    request.capabilities = .init(bounding: kept, permitted: kept, ambient: 0)
    request.limits = [(4, 0, 0), (6, 64, 64), (7, 64, 64), (0, 3600, 3600)]
    return try request.start()
  }

  private static func read(_ channel: SharedDescriptor, progress: (UInt64) -> Void) throws -> UnpackReport.Result {
    var buffer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      while let end = buffer.firstIndex(of: 0x0a) {
        let report = try JSONCoding.decode(UnpackReport.self, from: buffer[..<end])
        buffer.removeFirst(end + 1)
        if let failure = report.failure { throw RPCError(.invalidBundle, failure) }
        if let done = report.done { return done }
        if let bytes = report.progress { progress(bytes) }
      }
      guard buffer.count <= 4 << 20 else { throw RPCError(.invalidBundle, "the unpacker's report is too long") }
      let count = try FileSystem.read(channel.raw, into: &chunk, object: "the unpacker's report")
      if count == 0 {
        throw RPCError(
          .invalidBundle,
          "the unpacker was ended while it read the archive: the archive made it do something forbidden, or it ran out of its time or memory"
        )
      }
      buffer += chunk.prefix(count)
    }
  }
}
