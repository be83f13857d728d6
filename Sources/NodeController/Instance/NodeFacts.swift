// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CSystemd
import Glibc
import LinuxKernel

/// What there is to know of the machine, from its own files and the kernel. No name is looked up over the network.
enum NodeFacts {
  static func identity() -> NodeIdentity {
    var buffer = [CChar](repeating: 0, count: 256)
    gethostname(&buffer, buffer.count - 1)
    let hostname = text(buffer)
    let hosts = (try? FileSystem.readText("/etc/hosts")) ?? ""
    let boot = try? FileSystem.readText("/proc/sys/kernel/random/boot_id").filter { !$0.isWhitespace }
    return NodeIdentity(
      hostname: hostname, fqdn: fqdn(hostname, hosts: hosts), machineID: machineID(), bootID: boot,
      booted: bootTime().map { Timestamp.text(microseconds: $0) })
  }

  private static func text(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The first name of the line in hosts(5) that has the host's name, as hostname(1) does for `-f`.
  static func fqdn(_ hostname: String, hosts: String) -> String? {
    if hostname.contains(".") { return hostname }
    for line in hosts.split(separator: "\n") {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).dropFirst()
      if words.contains(where: { $0 == hostname }), let name = words.first(where: { $0.contains(".") }) {
        return String(name)
      }
    }
    return nil
  }

  /// Derived, because machine-id(5) asks not to tell the id itself.
  private static func machineID() -> String? {
    let application = sd_id128_t(
      bytes: (0x6e, 0x6f, 0x64, 0x65, 0x61, 0x67, 0x65, 0x6e, 0x74, 0x2e, 0x6e, 0x6f, 0x64, 0x65, 0x69, 0x64))
    var result = sd_id128_t()
    guard sd_id128_get_machine_app_specific(application, &result) >= 0 else { return nil }
    var buffer = [CChar](repeating: 0, count: 33)
    return sd_id128_to_string(result, &buffer).map { String(cString: $0) }
  }

  private static func bootTime() -> Int64? {
    var time = timespec()
    guard clock_gettime(CLOCK_BOOTTIME, &time) == 0 else { return nil }
    let uptime = Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    return (Clock.wallMicroseconds() - uptime) / 1_000_000 * 1_000_000
  }

  static func inventory(_ instance: Instance) -> NodeInventory {
    var names = utsname()
    uname(&names)
    var info = statvfs()
    let known = statvfs(instance.stateDirectory, &info) == 0
    let block = known ? UInt64(info.f_frsize) : 0
    let system = (try? FileSystem.readText("/etc/os-release"))?.split(separator: "\n")
      .first { $0.hasPrefix("PRETTY_NAME=") }?.dropFirst(12).filter { $0 != "\"" }
    return NodeInventory(
      system: system.map { String($0) }, kernel: field(&names.release), architecture: field(&names.machine),
      processors: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))),
      memory: UInt64(sysconf(Int32(_SC_PHYS_PAGES))) * UInt64(sysconf(Int32(_SC_PAGESIZE))),
      disk: UInt64(info.f_blocks) * block, diskFree: UInt64(info.f_bavail) * block)
  }

  private static func field<Value>(_ value: inout Value) -> String {
    withUnsafeBytes(of: &value) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
