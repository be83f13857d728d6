// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import ArgumentParser
import Glibc
import JSONRPC
import LinuxKernel
import NodeController

struct Up: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Start the agent.",
    discussion: "Needs root. The installed package is started by systemd, also when this command asks for it.")
  @OptionGroup var options: InstanceOptions
  @Flag(name: .shortAndLong, help: "Stay in the foreground and log to stderr.") var foreground = false

  func run() throws {
    try reporting {
      let instance = try options.local("up")
      guard geteuid() == 0 else {
        throw RPCError(.permissionDenied, "nodeagent up needs root: the node controller is the privileged part")
      }
      if foreground {
        return try NodeControllerDaemon.serve(instance) { view in
          Terminal.writeError("nodeagent: \(view.name) is \(view.state.rawValue)\n")
        }
      }
      if let client = try? RPCClient(path: instance.nodeSocket), let info = try? client.call(NodeMethods.info) {
        throw RPCError(.alreadyExists, "the agent runs already, with pid \(info.pid)")
      }
      if SystemdService.runs(instance) {
        try SystemdService.start()
        return print("nodeagent is up; log: journalctl -u nodeagent -u nodeagent-container")
      }
      let outcome = try start(instance)
      guard outcome == "ok" else {
        throw RPCError(
          .startFailed,
          "\(outcome.isEmpty ? "the agent ended while it was starting" : outcome) (log: \(logFile(instance)))")
      }
      print("nodeagent is up; root \(instance.root), log \(logFile(instance))")
    }
  }

  private func logFile(_ instance: Instance) -> String { "\(instance.logDirectory)/agent.log" }

  /// How to get a cgroup of its own from systemd, where the one of this shell has other processes: a scope with
  /// delegation (systemd.resource-control(5)), in which systemd-run becomes the agent.
  private static var ownScope: [String]? {
    guard AgentCgroup.isShared, FileSystem.exists("/run/systemd/system"), FileSystem.exists("/usr/bin/systemd-run")
    else { return nil }
    return [
      "/usr/bin/systemd-run", "--scope", "--quiet", "--collect", "--description=nodeagent", "--property=Delegate=yes",
    ]
  }

  /// Starts the daemon in a session of its own and waits for what it says about its start.
  private func start(_ instance: Instance) throws -> String {
    try FileSystem.makeDirectories(instance.logDirectory, mode: 0o755)
    let log = SharedDescriptor(
      try FileSystem.open(logFile(instance), flags: O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, mode: 0o640))
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    let pipe = try Pipe()
    let executable = SharedDescriptor(try FileSystem.open("/proc/self/exe", flags: FileSystem.pathOnly))
    var environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    if let level = getenv("NODEAGENT_LOG") { environment.append("NODEAGENT_LOG=\(String(cString: level))") }
    let arguments = ["node-controller", "--root", instance.root, "--ready-descriptor", "3"]
    var request = SpawnRequest(
      .descriptor(executable), arguments: ["nodeagent"] + arguments, environment: environment)
    if let scope = Self.ownScope {
      request = SpawnRequest(
        .path(scope[0]), arguments: scope + [Executables.own] + arguments, environment: environment)
    }
    request.descriptors = [(null, 0), (log, 1), (log, 2), (pipe.writing, 3)]
    request.newSession = true
    request.workingDirectory = "/"
    let child = try request.start()
    if let failure = try SpawnFailure.read(from: child.report) { return failure.description }
    // This process holds the other end too: poll the child's life beside the pipe.
    var poll = PollSet()
    let answer = poll.add(pipe.reading.raw)
    poll.add(child.pidfd.descriptor.raw)
    _ = try poll.wait(milliseconds: 60_000)
    guard poll.isReadable(answer) else { return "" }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try FileSystem.read(pipe.reading.raw, into: &bytes)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}
