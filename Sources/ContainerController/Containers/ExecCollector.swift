// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel

/// Runs a process in a container to its end and keeps what it wrote.
enum ExecCollector {
  private static let most = 1 << 20

  static func run(_ request: ContainerMethods.ExecuteRequest, in container: Container) async throws
    -> ContainerMethods.ExecuteResult
  {
    let input = Array((request.input ?? "").utf8)
    // What fits into a pipe is written before anybody reads.
    guard input.count <= 64 << 10 else {
      throw RPCError(.invalidParams, "params.input is up to 64 KiB; container.exec carries more")
    }
    var plain = ContainerMethods.ExecRequest(name: request.name, command: request.command)
    plain.environment = request.environment
    plain.user = request.user
    plain.directory = request.directory
    let (id, start, readers) = try await Self.start(plain, input, in: container)
    _ = try await start.untilStarted()
    let timeout = min(max(1, request.timeout ?? 60_000), 3_600_000)
    let expiry = Task {
      try await Task.sleep(for: .milliseconds(timeout))
      await container.signalExec(id, SIGKILL)
    }
    defer { expiry.cancel() }
    return try await Blocking.onOwnThread("execute-\(id)") { try collect(readers, start) }
  }

  /// Starts the process; the ends that are its own are let go on return, or it would never see the end of its input.
  private static func start(
    _ request: ContainerMethods.ExecRequest, _ input: [UInt8], in container: Container
  ) async throws -> (UInt64, ExecStart, [SharedDescriptor]) {
    let pipes = [try Pipe(), try Pipe(), try Pipe()]
    try FileSystem.write(input, to: pipes[0].writing.raw, object: "the process's input")
    let (id, start) = try await container.exec(
      request, files: [pipes[0].reading, pipes[1].writing, pipes[2].writing])
    return (id, start, [pipes[1].reading, pipes[2].reading])
  }

  private static func collect(_ readers: [SharedDescriptor], _ start: ExecStart) throws
    -> ContainerMethods.ExecuteResult
  {
    var texts: [[UInt8]] = [[], []]
    var open = [true, true]
    var truncated = false
    for reader in readers { cl_set_nonblocking(reader.raw, true) }
    while open.contains(true) || start.status == nil {
      var poll = PollSet()
      let indices = (0..<2).map { open[$0] ? poll.add(readers[$0].raw) : nil }
      if start.status == nil { poll.add(start.endDescriptor) }
      // A grandchild that keeps the output open is not waited for.
      let timely = try poll.wait(milliseconds: start.status == nil ? -1 : 50)
      if !timely { break }
      for (stream, index) in indices.enumerated() {
        guard let index, poll.isReadable(index) else { continue }
        var chunk = [UInt8](repeating: 0, count: 32 << 10)
        let count = try FileSystem.read(readers[stream].raw, into: &chunk, object: "the process's output")
        if count == 0 { open[stream] = false }
        let room = most - texts[stream].count
        truncated = truncated || count > room
        texts[stream] += chunk.prefix(min(count, room))
      }
    }
    var code: Int32?
    var signal: Int32?
    switch start.status {
    case .exited(let value): code = value
    case .signaled(let value, _): signal = value
    case nil: break
    }
    return .init(
      code: code, signal: signal, output: String(decoding: texts[0], as: UTF8.self),
      error: String(decoding: texts[1], as: UTF8.self), truncated: truncated)
  }
}
