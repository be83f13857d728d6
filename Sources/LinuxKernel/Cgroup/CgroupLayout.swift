// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Where this machine keeps its cgroups and where in them the calling process is (cgroups(7)).
public struct CgroupLayout: Sendable, Equatable {
  /// The directory of the calling process in each v1 hierarchy, by controller.
  public var legacy: [String: String]
  /// Its directory in the v2 hierarchy, where that is mounted.
  public var unified: String?
  /// The controllers that the v2 hierarchy offers there.
  public var unifiedControllers: [String]

  public enum Mode: String, Sendable { case unified, hybrid, legacy, none }

  public init(legacy: [String: String], unified: String?, unifiedControllers: [String]) {
    self.legacy = legacy
    self.unified = unified
    self.unifiedControllers = unifiedControllers
  }

  public var mode: Mode {
    switch (legacy.isEmpty, unified == nil) {
    case (true, false): .unified
    case (false, false): .hybrid
    case (false, true): .legacy
    case (true, true): .none
    }
  }

  /// The v1 controllers that the agent uses.
  static let usedLegacy = ["memory", "cpu", "cpuacct", "pids", "cpuset", "blkio"]

  /// Reads the layout of the calling process.
  public static func current(_ kernel: some Kernel = LiveKernel()) throws(SyscallError) -> CgroupLayout {
    var layout = parse(
      mountinfo: try kernel.read("/proc/self/mountinfo"), cgroup: try kernel.read("/proc/self/cgroup"))
    if let unified = layout.unified, let text = try? kernel.read("\(unified)/cgroup.controllers") {
      layout.unifiedControllers = text.split(whereSeparator: \.isWhitespace).map(String.init)
    }
    return layout
  }

  /// Combines `/proc/self/mountinfo` and `/proc/self/cgroup` (proc(5)); lines that make no sense are passed over.
  public static func parse(mountinfo: String, cgroup: String) -> CgroupLayout {
    var own: [String: String] = [:]
    for line in cgroup.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      for controller in fields[1].split(separator: ",", omittingEmptySubsequences: false) {
        own[String(controller)] = String(fields[2])
      }
    }
    var layout = CgroupLayout(legacy: [:], unified: nil, unifiedControllers: [])
    for line in mountinfo.split(separator: "\n") {
      let halves = line.split(separator: " ")
      guard let dash = halves.firstIndex(of: "-"), dash >= 5, halves.count > dash + 1 else { continue }
      let root = String(halves[3])
      let point = String(halves[4])
      switch halves[dash + 1] {
      case "cgroup2":
        if layout.unified == nil, let path = own[""] {
          layout.unified = join(point, relative(path, to: root))
        }
      case "cgroup":
        for option in (halves.last ?? "").split(separator: ",") where usedLegacy.contains(String(option)) {
          let controller = String(option)
          if layout.legacy[controller] == nil, let path = own[controller] {
            layout.legacy[controller] = join(point, relative(path, to: root))
          }
        }
      default: continue
      }
    }
    return layout
  }

  /// A container sees only a part of a hierarchy: its mount's root is cut from the path.
  private static func relative(_ path: String, to root: String) -> String {
    guard root != "/", path == root || path.hasPrefix("\(root)/") else { return path }
    return String(path.dropFirst(root.count))
  }

  private static func join(_ point: String, _ path: String) -> String {
    let tail = path.split(separator: "/").joined(separator: "/")
    return tail.isEmpty ? point : "\(point)/\(tail)"
  }
}
