// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// The small number by which instances on one machine share out ids, addresses and interface names.
///
/// It is claimed by a lock on a file in `/run/lock/nodeagent`, kept for the life of the node controller, and remembered
/// in the instance's state directory: files on disk belong to its uids.
public final class InstanceNumber: Sendable {
  static let count = 28
  let value: Int
  private let lock: SharedDescriptor

  private init(_ value: Int, lock: SharedDescriptor) {
    self.value = value
    self.lock = lock
  }

  /// The first uid of the instance; 1,024 ranges of 65,536 follow. They lie where systemd's uid table has containers
  /// (its UIDS-GIDS document), above `/etc/subuid` as distributions fill it, and are positive for programs that take
  /// ids for signed numbers.
  var firstUID: UInt32 { Self.range(value).lowerBound }
  var bridge: String { "na\(value)" }

  private static let directory = "/run/lock/nodeagent"

  static func claim(for instance: Instance) throws -> InstanceNumber {
    try FileSystem.makeDirectories(directory, mode: 0o755)
    let remembered = "\(instance.stateDirectory)/instance"
    if let text = try? FileSystem.readText(remembered, limit: 16), let number = Int(text.filter(\.isNumber)),
      (0..<count).contains(number)
    {
      guard let claimed = try take(number, for: instance, checkOwner: false) else {
        throw RPCError(
          .unavailable,
          "instance number \(number), to whose uids the files of \(instance.stateDirectory) belong, is in use by another agent: end that one first (its root is in \(directory)/\(number))"
        )
      }
      return claimed
    }
    let routes = (try? FileSystem.readText("/proc/net/route")) ?? ""
    let subordinates = ["/etc/subuid", "/etc/subgid"].map { (try? FileSystem.readText($0)) ?? "" }.joined(
      separator: "\n")
    let start = Int(UInt32(instance.id, radix: 16) ?? 0) % count
    for offset in 0..<count {
      let number = (start + offset) % count
      guard !NetworkPool.overlaps(NetworkPool.standard(UInt8(number)), routeTable: routes) else { continue }
      guard !overlaps(range(number), subordinates: subordinates) else { continue }
      guard let claimed = try take(number, for: instance, checkOwner: true) else { continue }
      try FileSystem.replace(remembered, with: Array("\(number)\n".utf8), mode: 0o644, durable: true)
      return claimed
    }
    throw RPCError(.noSpace, "all \(count) instance numbers of this machine are taken; see \(directory)")
  }

  /// The uids of an instance, chosen now if they have not been; for the package, which enters them in `/etc/subuid`.
  public static func identities(of instance: Instance) throws -> ClosedRange<UInt32> {
    try FileSystem.makeDirectories(instance.stateDirectory, mode: 0o755)
    let remembered = "\(instance.stateDirectory)/instance"
    // A running agent holds the lock, and has written what it holds.
    if let text = try? FileSystem.readText(remembered, limit: 16), let number = Int(text.filter(\.isNumber)),
      (0..<count).contains(number)
    {
      return range(number)
    }
    return range(try claim(for: instance).value)
  }

  private static func range(_ number: Int) -> ClosedRange<UInt32> {
    let first = 0x1000_0000 + UInt32(number) * 0x400_0000
    return first...(first + 0x3ff_ffff)
  }

  /// True when somebody else's range in `/etc/subuid` or `/etc/subgid` (subuid(5)) meets this one.
  static func overlaps(_ range: ClosedRange<UInt32>, subordinates text: String) -> Bool {
    text.split(separator: "\n").contains { line in
      let fields = line.split(separator: ":", omittingEmptySubsequences: false)
      guard fields.count == 3, fields[0] != "nodeagent-container", let first = UInt32(fields[1]),
        let count = UInt32(fields[2]), count > 0
      else { return false }
      let (last, overflow) = first.addingReportingOverflow(count - 1)
      return range.overlaps(first...(overflow ? .max : last))
    }
  }

  /// `nil` when another instance holds the number or has files that belong to its uids.
  private static func take(_ number: Int, for instance: Instance, checkOwner: Bool) throws -> InstanceNumber? {
    let path = "\(directory)/\(number)"
    guard let lock = try FileSystem.lock(path, mode: 0o644) else { return nil }
    let owner = String(decoding: try FileSystem.readAll(lock.raw, limit: 4096, object: path), as: UTF8.self)
      .split(separator: "\n").first.map(String.init)
    if checkOwner, let owner, owner != instance.root {
      let other = "\(Instance(root: owner).stateDirectory)/instance"
      if let text = try? FileSystem.readText(other, limit: 16), Int(text.filter(\.isNumber)) == number { return nil }
    }
    ftruncate(lock.raw, 0)
    lseek(lock.raw, 0, SEEK_SET)
    try FileSystem.write(Array("\(instance.root)\n".utf8), to: lock.raw, object: path)
    return InstanceNumber(number, lock: lock)
  }
}
