// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel

/// Has the node forward packets for containers, and not any more when they are gone, where it did not before (ip-sysctl,
/// kernel document).
struct Forwarding: Sendable {
  private static let ipv4 = "/proc/sys/net/ipv4/ip_forward"
  private static let ipv6 = "/proc/sys/net/ipv6/conf/all/forwarding"
  private static let interfaces = "/proc/sys/net/ipv6/conf"
  /// Their presence says that the node forwards because of this agent.
  private let mark4: String
  /// Holds the names of the interfaces that were told to listen to routers all the same.
  private let mark6: String

  init(instance: Instance) {
    mark4 = "\(instance.runDirectory)/forwarding"
    mark6 = "\(instance.runDirectory)/forwarding6"
  }

  func begin(withIPv6: Bool) throws {
    if try FileSystem.readText(Self.ipv4, limit: 16).hasPrefix("0") {
      try FileSystem.replace(mark4, with: [], mode: 0o600)
      try FileSystem.write("1", toExisting: Self.ipv4)
    }
    guard withIPv6, try FileSystem.readText(Self.ipv6, limit: 16).hasPrefix("0") else { return }
    // A router does not listen to routers, and the node would lose the default route that it has from one.
    let listening = try FileSystem.names(in: Self.interfaces).filter { name in
      guard name != "all", name != "default" else { return false }
      return (try? FileSystem.readText("\(Self.interfaces)/\(name)/accept_ra", limit: 16))?.hasPrefix("1") ?? false
    }
    try FileSystem.replace(mark6, with: Array(listening.joined(separator: "\n").utf8), mode: 0o600)
    for name in listening { try Self.write("2", name) }
    try FileSystem.write("1", toExisting: Self.ipv6)
  }

  func end() throws {
    if FileSystem.exists(mark4) {
      try FileSystem.write("0", toExisting: Self.ipv4)
      try FileSystem.remove(mark4)
    }
    guard FileSystem.exists(mark6) else { return }
    try FileSystem.write("0", toExisting: Self.ipv6)
    for name in try FileSystem.readText(mark6).split(separator: "\n") { try Self.write("1", String(name)) }
    try FileSystem.remove(mark6)
  }

  /// An interface may be gone at any moment.
  private static func write(_ value: String, _ interface: String) throws(SyscallError) {
    do {
      try FileSystem.write(value, toExisting: "\(interfaces)/\(interface)/accept_ra")
    } catch  where error.errno == ENOENT {
      return
    }
  }
}
