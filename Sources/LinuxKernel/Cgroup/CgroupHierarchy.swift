// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The cgroups of one agent instance, v1, v2 or both, as one tree of named groups below the agent's own.
///
/// Each operation names a group by the container's id. All writes go through ``Kernel``.
public protocol CgroupHierarchy: Sendable {
  /// Makes the group with its limits; the same call again changes the limits.
  func create(_ name: String, limits: CgroupLimits) throws(SyscallError)
  /// Moves a process, with its threads, into the group.
  func attach(_ pid: Int32, to name: String) throws(SyscallError)
  /// Descriptors by which a process with one thread puts itself into the group (``Kernel/joinCgroup(_:)``), one for each
  /// hierarchy; `nil` where it has to be attached from outside.
  ///
  /// A process that moves itself needs no lock over all forks of the machine, which costs the mover an RCU grace period:
  /// 6 to 20 ms on a machine that has not moved one a moment ago.
  func entrances(to name: String) throws(SyscallError) -> [SharedDescriptor]?
  /// The processes in the group.
  func processes(in name: String) throws(SyscallError) -> [Int32]
  /// Ends everything in the group, by `cgroup.kill` where the kernel has it.
  func kill(_ name: String) throws(SyscallError)
  /// Removes the empty group; `EBUSY` while a process is left.
  func remove(_ name: String) throws(SyscallError)
  /// The names of the instance's groups.
  func list() -> [String]
  func usage(of name: String) -> CgroupUsage
  /// Processes that the kernel ended at the group's memory limit; 0 where it does not count them.
  func oomKills(of name: String) -> UInt64
  /// The directories of the group, for people and for `doctor`.
  func paths(of name: String) -> [String]
  /// Removes the instance's own directories once they are empty.
  func removeBase() throws(SyscallError)
}

/// The hierarchy that fits a layout.
public func makeCgroupHierarchy<K: Kernel>(
  layout: CgroupLayout, base: String, kernel: K
) -> any CgroupHierarchy {
  if layout.legacy.isEmpty, let unified = layout.unified {
    return UnifiedCgroups(parent: unified, base: base, kernel: kernel)
  }
  return LegacyCgroups(layout: layout, base: base, kernel: kernel)
}

/// Readers shared by both versions; a file that is missing or strange is no value.
struct CgroupFiles<K: Kernel> {
  let kernel: K

  func number(_ path: String) -> UInt64? {
    guard let text = try? kernel.read(path) else { return nil }
    return Self.number(text.utf8[...])
  }

  /// Lines of `key value`.
  func table(_ path: String) -> [String: UInt64] {
    guard let text = try? kernel.read(path) else { return [:] }
    var table: [String: UInt64] = [:]
    // By bytes: that of a group's memory has a hundred lines, and is read at each scrape of the metrics.
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      guard let blank = line.firstIndex(of: UInt8(ascii: " ")),
        let value = Self.number(line[line.index(after: blank)...])
      else { continue }
      table[String(decoding: line[..<blank], as: UTF8.self)] = value
    }
    return table
  }

  /// Lines of `MAJOR:MINOR key=value …`, the disks added up (cgroup-v2.rst, `io.stat`); `nil` where it is not counted.
  func disks(_ path: String) -> [String: UInt64]? {
    guard let text = try? kernel.read(path) else { return nil }
    var sums: [String: UInt64] = [:]
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      for word in line.split(separator: UInt8(ascii: " ")).dropFirst() {
        guard let sign = word.firstIndex(of: UInt8(ascii: "=")),
          let value = Self.number(word[word.index(after: sign)...])
        else { continue }
        sums[String(decoding: word[..<sign], as: UTF8.self), default: 0] &+= value
      }
    }
    return sums
  }

  /// Digits up to the end or a line's end; `nil` for anything else, such as `max`.
  private static func number(_ text: Substring.UTF8View) -> UInt64? {
    var value: UInt64 = 0
    var digits = 0
    for byte in text {
      if byte == UInt8(ascii: "\n"), digits > 0 { return value }
      guard byte >= 48, byte <= 57 else { return nil }
      let (product, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = product.addingReportingOverflow(UInt64(byte - 48))
      guard !first, !second else { return nil }
      value = sum
      digits += 1
    }
    return digits > 0 ? value : nil
  }

  func processes(_ path: String) throws(SyscallError) -> [Int32] {
    try kernel.read(path).split(separator: "\n").compactMap { Int32($0) }
  }
}
