// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel

@testable import NodeController

/// What an agent under test needs of the machine, each found out by trying it: root in somebody else's container has
/// the name of privilege without the thing.
enum HostNeeds {
  private typealias Need = (name: String, isMet: @Sendable () throws -> Bool)

  /// The first need that this machine does not meet, with the reason; `nil` where agents can run.
  static func missing() -> String? {
    for need in needs {
      do {
        if try !need.isMet() { return need.name }
      } catch {
        return "\(need.name) (\(error))"
      }
    }
    return nil
  }

  private static let needs: [Need] = [
    ("root", { geteuid() == 0 }),
    (
      "busybox-static, util-linux and iproute2",
      { Host.busybox != nil && ["unshare", "nsenter", "ip"].allSatisfy(Host.has) }
    ),
    ("the node controller's capabilities", capabilities),
    (
      "namespaces of every kind, with a proc and a sysfs of their own",
      {
        try succeeds(
          "unshare --user --map-root-user --pid --fork --mount --uts --ipc --net --mount-proc mount -t sysfs none /sys")
      }
    ),
    ("nftables and veth", { try succeeds("unshare --net sh -c 'nft add table inet probe && ip link add type veth'") }),
    ("cgroups that can be made below one's own", cgroups), ("overlays on id-mapped layers in /tmp", overlays),
  ]

  private static func succeeds(_ command: String) throws -> Bool {
    let result = try Command.run(["sh", "-c", command])
    guard result.code == 0 else { throw Command.Failure(description: result.error.filter { $0 != "\n" }) }
    return true
  }

  private static func capabilities() throws -> Bool {
    let lacking = NodePrivileges.needed.subtracting(try CapabilitySet.permitted())
    guard lacking.isEmpty else {
      throw Command.Failure(description: "lacking \(lacking.memberNames.joined(separator: ", "))")
    }
    return true
  }

  private static func cgroups() throws -> Bool {
    let layout = try AgentCgroup.layout(try FileSystem.readText("/proc/self/cgroup"))
    let directories = layout.mode == .unified ? [layout.unified].compactMap { $0 } : Array(layout.legacy.values)
    for directory in Set(directories) {
      let probe = "\(directory)/nodeagent-probe-\(getpid())"
      try FileSystem.makeDirectory(probe, mode: 0o755)
      try FileSystem.removeDirectory(probe)
    }
    return !directories.isEmpty
  }

  private static func overlays() throws -> Bool {
    var template = Array("/tmp/nodeagent-probe-XXXXXX".utf8CString)
    guard let base = mkdtemp(&template).map({ String(cString: $0) }) else { return false }
    defer { try? FileSystem.removeTree(base) }
    for name in ["lower", "upper", "work", "point"] { try FileSystem.makeDirectory("\(base)/\(name)", mode: 0o755) }
    let mapping = try IdentityMapping.namespace(disk: 100_000, seen: 200_000, count: 65536)
    _ = try RootFileSystem(kernel: LiveKernel()).make(
      template: "\(base)/lower", upper: "\(base)/upper", work: "\(base)/work", point: "\(base)/point",
      mapping: mapping.raw)
    return true
  }
}
