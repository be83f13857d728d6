// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel

@testable import NodeController

/// What an agent has in the kernel and on disk for containers; nothing, once there are none.
struct Leftovers: Equatable, CustomStringConvertible {
  var found: [String]
  var description: String { found.joined(separator: "\n") }

  static let none = Leftovers(found: [])

  init(found: [String]) { self.found = found }

  init(of agent: TestAgent) throws {
    found = []
    let layout = try AgentCgroup.decided(agent.instance)
    for parent in Set(layout.legacy.values).union(layout.unified.map { [$0] } ?? []) {
      let directory = "\(parent)/\(agent.instance.cgroup)"
      for name in (try? FileSystem.names(in: directory)) ?? []
      where FileSystem.exists("\(directory)/\(name)/cgroup.procs") {
        found.append("cgroup \(directory)/\(name)")
      }
    }
    for process in ["self", "\(agent.nodeControllerPID)", "\(agent.containerControllerPID)"] {
      for line in try FileSystem.readText("/proc/\(process)/mountinfo").split(separator: "\n")
      where line.contains(agent.root) {
        found.append("mount \(line)")
      }
    }
    let links = try agent.inside(["ip", "-o", "link"]).output
    for line in links.split(separator: "\n") where line.contains("-") && line.contains("master") {
      found.append("interface \(line)")
    }
    for line in try agent.inside(["nft", "list", "ruleset"]).output.split(separator: "\n")
    where line.contains("elements") {
      found.append("nft \(line)")
    }
    found += try Self.processes(agent)
    for directory in [
      agent.instance.containers, "\(agent.instance.runDirectory)/host", agent.instance.controllerRun,
      "\(agent.instance.controllerState)/containers",
    ] {
      found += ((try? FileSystem.names(in: directory)) ?? []).map { "file \(directory)/\($0)" }
    }
  }

  /// Processes with one of the instance's uids.
  private static func processes(_ agent: TestAgent) throws -> [String] {
    guard let text = try? FileSystem.readText("\(agent.instance.stateDirectory)/instance"),
      let number = UInt32(text.filter(\.isNumber))
    else { return [] }
    let first = 0x1000_0000 + number * 0x400_0000
    var found: [String] = []
    for name in try FileSystem.names(in: "/proc") where Int32(name) != nil {
      guard let status = try? FileSystem.readText("/proc/\(name)/status"),
        let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Uid:") }),
        let uid = line.split(separator: "\t").dropFirst().first.flatMap({ UInt32($0) }),
        uid >= first, uid - first < 0x400_0000
      else { continue }
      // A zombie is its parent's to reap; only what is ours counts.
      if status.contains("State:\tZ"), !status.contains("PPid:\t\(agent.nodeControllerPID)\n"),
        !status.contains("PPid:\t\(agent.containerControllerPID)\n")
      {
        continue
      }
      found.append("process \(name): \(status.prefix(40))")
    }
    return found
  }
}
