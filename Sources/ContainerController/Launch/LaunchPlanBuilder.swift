// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LaunchPlan
import LinuxKernel

/// What a launch plan is made from.
struct LaunchInput: Sendable, Equatable {
  var name: String
  var descriptor: BundleDescriptor
  var spec: ContainerSpec
  var resources: Resources
  /// The container's address, where it has one.
  var address: String?
  var address6: String?
  /// Lines of the host's `/etc/resolv.conf` that name servers.
  var nameServers: [String]
  /// The host has cgroup v2 alone, so that the container can be shown its own group.
  var unifiedCgroups: Bool
  var seccomp: [UInt8]
  /// How many descriptors for entering cgroups come with the plan.
  var cgroupEntrances: Int
  /// The bundle as `name:version`.
  var reference: String
  /// A socket of systemd's journal comes with the plan.
  var hasJournal = false
  /// The addresses of containers that it is linked to, by name.
  var linked: [String: [String]] = [:]
  /// Where its identity is files; `/dev/fuse` for that is the slot behind the cgroups' entrances.
  var identityFiles: String?

  var hostname: String { descriptor.hostname ?? name }
  var network: NetworkMode { spec.network ?? descriptor.network }
}

/// Makes the launch plan of a container: a list of small rules, each of which adds its operations.
enum LaunchPlanBuilder {
  static func plan(_ input: LaunchInput) throws -> LaunchPlan {
    let rules: [(LaunchInput) -> [Operation]] = [
      isolation, processFileSystem, systemFileSystem, devices, scratch, mounts, identity, files, hidden, root,
    ]
    return LaunchPlan(
      name: input.name, operations: rules.flatMap { $0(input) }, workload: try workload(input),
      readiness: input.descriptor.readiness == .notify ? .notify : .started,
      log: .init(segmentBytes: input.descriptor.log.segmentBytes, segments: input.descriptor.log.segments),
      journal: input.hasJournal ? journal(input) : [])
  }

  /// What `journalctl CONTAINER_NAME=…` finds.
  static func journal(_ input: LaunchInput) -> [UInt8] {
    let fields = [
      ("SYSLOG_IDENTIFIER", input.name), ("CONTAINER_NAME", input.name), ("CONTAINER_BUNDLE", input.reference),
    ]
    return fields.flatMap { name, value in Array("\(name)=\(value.filter { !$0.isNewline })\n".utf8) }
  }

  static func isolation(_ input: LaunchInput) -> [Operation] {
    (0..<UInt32(input.cgroupEntrances)).map { .joinCgroup(slot: $0) }
      + [.unshareCgroup, .hostname(input.hostname), .attachRoot]
  }

  private static let inert: MountAttributes = [.noSetuid, .noDevices, .noExecute]

  static func processFileSystem(_ input: LaunchInput) -> [Operation] {
    [.mount(type: "proc", options: [], attributes: inert, target: "proc")]
  }

  static func systemFileSystem(_ input: LaunchInput) -> [Operation] {
    var operations: [Operation] = [
      .mount(type: "sysfs", options: [], attributes: inert.union(.readOnly), target: "sys")
    ]
    if input.unifiedCgroups {
      operations.append(
        .mount(type: "cgroup2", options: [], attributes: inert.union(.readOnly), target: "sys/fs/cgroup"))
    }
    return operations
  }

  /// A fresh `/dev`, whatever the image has there.
  static func devices(_ input: LaunchInput) -> [Operation] {
    [
      .mount(
        type: "tmpfs", options: [.value("mode", "755"), .value("size", "65536")], attributes: [.noSetuid, .noExecute],
        target: "dev"),
      .device(name: "null", major: 1, minor: 3), .device(name: "zero", major: 1, minor: 5),
      .device(name: "full", major: 1, minor: 7), .device(name: "random", major: 1, minor: 8),
      .device(name: "urandom", major: 1, minor: 9), .device(name: "tty", major: 5, minor: 0),
      .mount(
        type: "devpts", options: [.value("mode", "0620"), .value("ptmxmode", "0666"), .value("gid", "5")],
        attributes: [.noSetuid, .noExecute], target: "dev/pts"),
      .mount(
        type: "tmpfs", options: [.value("mode", "1777")] + size(input), attributes: inert, target: "dev/shm"),
      .mount(type: "mqueue", options: [], attributes: inert, target: "dev/mqueue"),
      .symbolicLink(path: "dev/ptmx", target: "pts/ptmx"), .symbolicLink(path: "dev/fd", target: "/proc/self/fd"),
      .symbolicLink(path: "dev/stdin", target: "/proc/self/fd/0"),
      .symbolicLink(path: "dev/stdout", target: "/proc/self/fd/1"),
      .symbolicLink(path: "dev/stderr", target: "/proc/self/fd/2"),
    ]
  }

  private static func size(_ input: LaunchInput) -> [MountOption] {
    // Without a size the kernel gives half of the host's memory; the memory limit holds in any case.
    [.value("size", "\(input.resources.tmpfs ?? 64 << 20)")]
  }

  static func scratch(_ input: LaunchInput) -> [Operation] {
    [
      .mount(
        type: "tmpfs", options: [.value("mode", "1777")] + size(input), attributes: [.noSetuid, .noDevices],
        target: "tmp"),
      .mount(
        type: "tmpfs", options: [.value("mode", "755")] + size(input), attributes: [.noSetuid, .noDevices],
        target: "run"),
    ]
  }

  static func mounts(_ input: LaunchInput) -> [Operation] {
    input.descriptor.mounts.map { mount in
      .mount(
        type: "tmpfs",
        options: [.value("size", "\(mount.size)"), .value("mode", String(mount.mode, radix: 8))],
        attributes: [.noSetuid, .noDevices], target: String(mount.target.dropFirst()))
    }
  }

  static func identity(_ input: LaunchInput) -> [Operation] {
    input.identityFiles.map { [.identityFiles(slot: UInt32(input.cgroupEntrances), target: String($0.dropFirst()))] }
      ?? []
  }

  static func files(_ input: LaunchInput) -> [Operation] {
    var hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    hosts += "\(input.address ?? "127.0.1.1")\t\(input.hostname)\n"
    if let address6 = input.address6 { hosts += "\(address6)\t\(input.hostname)\n" }
    for (name, addresses) in input.linked.sorted(by: { $0.key < $1.key }) {
      for address in addresses { hosts += "\(address)\t\(name)\n" }
    }
    var operations: [Operation] = [
      .writeFile(path: "etc/hostname", bytes: Array("\(input.hostname)\n".utf8), mode: 0o644),
      .writeFile(path: "etc/hosts", bytes: Array(hosts.utf8), mode: 0o644),
    ]
    if input.network == .private {
      let text = input.nameServers.map { "\($0)\n" }.joined()
      operations.append(.writeFile(path: "etc/resolv.conf", bytes: Array(text.utf8), mode: 0o644))
    }
    return operations
  }

  static let masked = [
    "proc/acpi", "proc/asound", "proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list", "proc/timer_stats",
    "proc/sched_debug", "proc/scsi", "proc/interrupts", "sys/firmware", "sys/devices/virtual/powercap",
  ]
  static let readOnly = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"]

  static func hidden(_ input: LaunchInput) -> [Operation] {
    masked.map { .mask($0) } + readOnly.map { .readOnly($0) }
  }

  static func root(_ input: LaunchInput) -> [Operation] {
    (input.descriptor.readOnly ? [.readOnlyRoot] : []) + [.enterRoot]
  }

  // MARK: - Workload

  static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  static func workload(_ input: LaunchInput) throws -> Workload {
    var environment = ["PATH": path, "HOME": "/", "HOSTNAME": input.hostname, "container": "nodeagent"]
    environment.merge(input.descriptor.environment) { $1 }
    environment.merge(input.spec.environment ?? [:]) { $1 }
    return try workload(
      input, command: input.spec.command ?? input.descriptor.command, environment: environment,
      user: input.descriptor.user, directory: input.descriptor.directory, terminal: false)
  }

  static func workload(
    _ input: LaunchInput, command: [String], environment: [String: String], user: BundleDescriptor.User,
    directory: String, terminal: Bool
  ) throws -> Workload {
    var capabilities: CapabilitySet = []
    for name in input.descriptor.capabilities { capabilities.formUnion(CapabilitySet(name: name) ?? []) }
    return Workload(
      arguments: command, environment: environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" },
      workingDirectory: directory, uid: user.uid, gid: user.gid, groups: user.groups, capabilities: capabilities,
      limits: input.descriptor.rlimits.sorted { $0.key < $1.key }.compactMap { name, value in
        ResourceLimits.number(name).map { .init(resource: $0, soft: value, hard: value) }
      },
      filter: input.seccomp, terminal: terminal)
  }
}
