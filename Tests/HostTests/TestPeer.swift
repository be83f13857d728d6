// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Another host: a network namespace with a link to an agent's.
final class TestPeer {
  private let process: SpawnedProcess
  let name: String

  /// - Parameters:
  ///   - near: the agent's addresses on the link, with prefix lengths.
  ///   - far: the peer's.
  init(_ agent: TestAgent, name: String, near: [String], far: [String]) throws {
    self.name = name
    var request = SpawnRequest(
      .path("/bin/sh"), arguments: ["sh", "-c", "ip link set lo up && exec sleep 100000"],
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    request.namespaces = .network
    process = try request.start()
    if let failure = try SpawnFailure.read(from: process.report) { throw Command.Failure(description: "\(failure)") }
    usleep(50_000)
    let link = try agent.inside(
      ["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", "\(process.pidfd.pid)"])
    guard link.code == 0 else { throw Command.Failure(description: "\(link)") }
    let script = { (device: String, addresses: [String]) in
      addresses.map { "ip addr add \($0) dev \(device)\($0.contains(":") ? " nodad" : "") && " }.joined()
        + "ip link set \(device) up"
    }
    for result in [
      try agent.inside(["sh", "-c", script(name, near)]), try run(["sh", "-c", script("eth0", far)]),
    ] where result.code != 0 { throw Command.Failure(description: "\(result)") }
  }

  deinit {
    try? process.pidfd.signal(SIGKILL)
    _ = try? process.pidfd.reap(wait: true)
  }

  func run(_ arguments: [String], seconds: Int32 = 60) throws -> Command {
    try Command.run(["nsenter", "--net=/proc/\(process.pidfd.pid)/ns/net"] + arguments, seconds: seconds)
  }
}
