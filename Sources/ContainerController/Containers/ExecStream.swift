// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LinuxKernel

/// Carries a process's input and output between its descriptors and a connection's frames, on a thread of its own.
final class ExecStream: Sendable {
  private let socket: FramedSocket
  private let start: ExecStart
  /// Pipes of the process, or the terminal's master in both roles.
  private let input: ExecInput
  private let outputs: [(descriptor: SharedDescriptor, kind: StreamFrame.Kind)]
  private let terminal: SharedDescriptor?
  private let signal: @Sendable (Int32) -> Void

  init(
    socket: FramedSocket, start: ExecStart, input: ExecInput,
    outputs: [(descriptor: SharedDescriptor, kind: StreamFrame.Kind)], terminal: SharedDescriptor?,
    signal: @escaping @Sendable (Int32) -> Void
  ) {
    self.socket = socket
    self.start = start
    self.input = input
    self.outputs = outputs
    self.terminal = terminal
    self.signal = signal
  }

  func run() {
    do {
      try pump()
    } catch {
      // The caller is gone: what it started goes too.
      signal(SIGHUP)
      signal(SIGKILL)
    }
  }

  private func pump() throws {
    var open = outputs
    var pending: [UInt8] = []
    var closing = false
    cl_set_nonblocking(input.raw, true)
    while true {
      var poll = PollSet()
      let end = start.status == nil ? poll.add(start.endDescriptor) : nil
      let client = pending.isEmpty || !input.isOpen ? poll.add(socket.descriptor) : nil
      let writable = pending.isEmpty || !input.isOpen ? nil : poll.add(input.raw, writing: true)
      let readable = open.map { poll.add($0.descriptor.raw) }
      // Once the process has ended, what it left in its pipes is read; a grandchild that keeps them open is not
      // waited for.
      let timely = try poll.wait(milliseconds: start.status == nil ? -1 : 50)
      var closed: [Int] = []
      for (index, pollIndex) in readable.enumerated() where poll.isReadable(pollIndex) {
        if try !forward(open[index].descriptor, open[index].kind) { closed.append(index) }
      }
      for index in closed.reversed() { open.remove(at: index) }
      if let client, poll.isReadable(client) {
        guard let frame = try socket.read() else { throw RPCError(.cancelled, "the caller is gone") }
        take(frame, &pending, &closing)
      }
      if let writable, poll.isWritable(writable) { write(&pending) }
      if closing, pending.isEmpty { input.close() }
      _ = end
      if let status = start.status, open.isEmpty || !timely {
        return try socket.write(StreamFrame(.exit, Self.encode(status)))
      }
    }
  }

  private func forward(_ descriptor: SharedDescriptor, _ kind: StreamFrame.Kind) throws -> Bool {
    var chunk = [UInt8](repeating: 0, count: 32 << 10)
    let count: Int
    do {
      count = try FileSystem.read(descriptor.raw, into: &chunk, object: "the process's output")
    } catch {
      // EIO is how a terminal says that nobody has it open any more.
      return error.errno == EAGAIN
    }
    if count == 0 { return false }
    try socket.write(StreamFrame(kind, Array(chunk.prefix(count))))
    return true
  }

  private func take(_ frame: StreamFrame, _ pending: inout [UInt8], _ closing: inout Bool) {
    switch frame.kind {
    case .input where frame.payload.isEmpty:
      // A terminal's end of input is a character, not a closed descriptor.
      if terminal != nil { pending += [4] } else { closing = true }
    case .input: if input.isOpen { pending += frame.payload }
    case .resize where frame.payload.count == 4:
      let bytes = frame.payload.map(UInt16.init)
      if let terminal { cl_set_window_size(terminal.raw, bytes[0] << 8 | bytes[1], bytes[2] << 8 | bytes[3]) }
    case .signal where frame.payload.count == 1: signal(Int32(frame.payload[0]))
    default: break
    }
  }

  private func write(_ pending: inout [UInt8]) {
    let count = pending.withUnsafeBytes { Glibc.write(input.raw, $0.baseAddress, $0.count) }
    if count > 0 {
      pending.removeFirst(count)
    } else if errno != EAGAIN && errno != EINTR {
      // The process does not read any more.
      pending = []
      input.close()
    }
  }

  private static func encode(_ status: ExitStatus) -> [UInt8] {
    switch status {
    case .exited(let code): Array("{\"code\":\(code)}".utf8)
    case .signaled(let signal, _): Array("{\"signal\":\(signal)}".utf8)
    }
  }
}
