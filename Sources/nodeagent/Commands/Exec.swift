// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import CLinux
import Foundation
import JSONRPC
import LinuxKernel

struct Exec: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run one more process in a container.",
    discussion: "Ends with the process's code, or 128 and the number of the signal that ended it.")
  @OptionGroup var options: InstanceOptions
  @Flag(name: .shortAndLong, help: "Pass stdin on.") var interactive = false
  @Flag(name: .shortAndLong, help: "Give it a terminal.") var tty = false
  @Option(name: .shortAndLong, help: ArgumentHelp("Run as this user.", valueName: "uid[:gid]")) var user: String?
  @Option(name: .shortAndLong, help: ArgumentHelp("Start in this directory.", valueName: "dir")) var workdir: String?
  @Option(name: .shortAndLong, help: ArgumentHelp("Set a variable.", valueName: "name=value")) var env: [String] = []
  @Argument(help: "The container.") var name: String
  @Argument(parsing: .captureForPassthrough, help: "The command.") var command: [String]

  func run() throws {
    try reporting {
      let words = command.first == "--" ? Array(command.dropFirst()) : command
      guard !words.isEmpty else { throw ValidationError("exec needs a command") }
      if tty && isatty(0) == 0 { throw ValidationError("--tty needs a terminal on stdin") }
      var environment: [String: String] = [:]
      for text in env {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { throw ValidationError("--env is NAME=VALUE, not \(text)") }
        environment[parts[0]] = parts[1]
      }
      var request = ContainerMethods.ExecRequest(
        name: name, command: words, environment: environment.isEmpty ? nil : environment, user: user,
        directory: workdir, terminal: tty)
      if tty {
        var rows: UInt16 = 0
        var columns: UInt16 = 0
        if cl_window_size(0, &rows, &columns) == 0 {
          request.rows = rows
          request.columns = columns
        }
      }
      let (_, socket) = try options.containers().open(ContainerMethods.exec, request)
      let raw = tty ? RawTerminal() : nil
      let code: Int32
      do {
        code = try ExecClient(socket: socket, passInput: interactive || tty, followSize: tty).run()
        raw?.restore()
      } catch {
        raw?.restore()
        throw error
      }
      throw ExitCode(code)
    }
  }
}

/// The terminal without its own line editing, until it is given back.
final class RawTerminal {
  private var before = termios()

  init() {
    tcgetattr(0, &before)
    var raw = before
    cfmakeraw(&raw)
    tcsetattr(0, TCSANOW, &raw)
  }

  func restore() { tcsetattr(0, TCSANOW, &before) }
}

/// The caller's end of an exec: carries stdin, stdout and stderr.
struct ExecClient {
  let socket: FramedSocket
  let passInput: Bool
  let followSize: Bool

  private struct End: Decodable {
    var code: Int32?
    var signal: Int32?
  }

  /// Returns the process's code.
  func run() throws -> Int32 {
    var inputOpen = true
    var size: (UInt16, UInt16) = (0, 0)
    if !passInput {
      try send(StreamFrame(.input))
      inputOpen = false
    }
    while true {
      var poll = PollSet()
      let peer = poll.add(socket.descriptor)
      let input = inputOpen ? poll.add(0) : nil
      let early = socket.hasEarlyBytes
      _ = try poll.wait(milliseconds: early ? 0 : followSize ? 250 : -1)
      if followSize { try tellSize(&size) }
      if let input, poll.isReadable(input) {
        var chunk = [UInt8](repeating: 0, count: 32 << 10)
        let count = try FileSystem.read(0, into: &chunk, object: "stdin")
        try send(StreamFrame(.input, Array(chunk.prefix(count))))
        if count == 0 { inputOpen = false }
      }
      if early || poll.isReadable(peer) {
        guard let frame = try socket.read() else {
          throw RPCError(.unavailable, "the agent closed the connection before the process ended")
        }
        switch frame.kind {
        case .output: try FileSystem.write(frame.payload, to: 1, object: "stdout")
        case .error: try FileSystem.write(frame.payload, to: 2, object: "stderr")
        case .exit:
          let end = try JSONCoding.decode(End.self, from: frame.payload)
          return end.signal.map { 128 + $0 } ?? end.code ?? 125
        case .failure: throw try JSONCoding.decode(RPCError.self, from: frame.payload)
        default: break
        }
      }
    }
  }

  /// A process that has ended takes nothing any more; how it ended is still to be read.
  private func send(_ frame: StreamFrame) throws {
    do {
      try socket.write(frame)
    } catch {
      guard error.errno == EPIPE || error.errno == ECONNRESET else { throw error }
    }
  }

  private func tellSize(_ last: inout (UInt16, UInt16)) throws {
    var rows: UInt16 = 0
    var columns: UInt16 = 0
    guard cl_window_size(0, &rows, &columns) == 0, (rows, columns) != last else { return }
    last = (rows, columns)
    try send(
      StreamFrame(.resize, [UInt8(rows >> 8), UInt8(rows & 255), UInt8(columns >> 8), UInt8(columns & 255)]))
  }
}
