// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// A set of capabilities (capabilities(7)); bit n is capability n.
public struct CapabilitySet: OptionSet, Sendable, Hashable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// All names of the kernel's header, in the order of their numbers.
  public static let names = [
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
  ]

  /// The capability of a name, with or without `CAP_`, in any case.
  public init?(name: String) {
    var upper = name.uppercased()
    if upper.hasPrefix("CAP_") { upper.removeFirst(4) }
    guard let number = Self.names.firstIndex(of: upper) else { return nil }
    self.init(rawValue: 1 << UInt64(number))
  }

  public static let chown = CapabilitySet(rawValue: 1 << 0)
  public static let dacOverride = CapabilitySet(rawValue: 1 << 1)
  public static let dacReadSearch = CapabilitySet(rawValue: 1 << 2)
  public static let fileOwner = CapabilitySet(rawValue: 1 << 3)
  public static let fileSetId = CapabilitySet(rawValue: 1 << 4)
  public static let kill = CapabilitySet(rawValue: 1 << 5)
  public static let setGid = CapabilitySet(rawValue: 1 << 6)
  public static let setUid = CapabilitySet(rawValue: 1 << 7)
  public static let setPcap = CapabilitySet(rawValue: 1 << 8)
  public static let netBindService = CapabilitySet(rawValue: 1 << 10)
  public static let netAdmin = CapabilitySet(rawValue: 1 << 12)
  public static let netRaw = CapabilitySet(rawValue: 1 << 13)
  public static let ipcLock = CapabilitySet(rawValue: 1 << 14)
  public static let sysChroot = CapabilitySet(rawValue: 1 << 18)
  public static let sysPtrace = CapabilitySet(rawValue: 1 << 19)
  public static let sysAdmin = CapabilitySet(rawValue: 1 << 21)
  public static let sysNice = CapabilitySet(rawValue: 1 << 23)
  public static let sysResource = CapabilitySet(rawValue: 1 << 24)
  public static let auditWrite = CapabilitySet(rawValue: 1 << 29)

  /// All that the running kernel knows; it refuses to raise others (capabilities(7), `/proc/sys/kernel/cap_last_cap`).
  public static let all: CapabilitySet = {
    let last = (try? FileSystem.readText("/proc/sys/kernel/cap_last_cap")).flatMap { UInt64($0.filter(\.isNumber)) }
    return CapabilitySet(rawValue: (1 << (min(last ?? 40, 62) + 1)) - 1)
  }()

  /// The names with `CAP_`, in the order of their numbers.
  public var memberNames: [String] {
    Self.names.indices.filter { rawValue >> UInt64($0) & 1 == 1 }.map { "CAP_\(Self.names[$0])" }
  }

  /// What the calling thread has in its permitted set.
  public static func permitted() throws(SyscallError) -> CapabilitySet {
    var sets: (UInt64, UInt64, UInt64) = (0, 0, 0)
    try check(cl_capget(&sets.0, &sets.1, &sets.2), "capget", "this process")
    return CapabilitySet(rawValue: sets.0)
  }
}
