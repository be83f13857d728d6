// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel
import Metrics

/// The figures of what the agent runs, and of the agent: sub-systems, containers under cAdvisor's names, health checks.
struct AgentCollector {
  private typealias Figure = (family: FamilyID, value: (CgroupUsage) -> Double?)

  private let build: FamilyID
  private let node: FamilyID
  private let reached: FamilyID
  private let state: FamilyID
  private let restarts: FamilyID
  private let subsystems: [Figure]
  private let containers: [Figure]
  private let seen: FamilyID
  private let network: [(family: FamilyID, host: String)]
  private let endpoints: [(family: FamilyID, value: (NetworkMethods.Endpoint) -> UInt64)]
  private let healthy: FamilyID
  private let failures: FamilyID
  private let duration: FamilyID
  private let cloud: FamilyID
  private let cloudNotice: FamilyID
  private let cloudReached: FamilyID
  private let processCPU: FamilyID
  private let processMemory: FamilyID
  private let processFiles: FamilyID

  private static let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
  private static let page = Double(sysconf(Int32(_SC_PAGESIZE)))

  init(_ table: inout SeriesTable) {
    build = table.family(
      "nodeagent_build_info", "The version of the agent; the value is always 1.", labels: ["version"])
    node = table.family(
      "nodeagent_node_state", "1 for the state that the node is in, 0 for the others.", labels: ["state"])
    reached = table.family(
      "nodeagent_node_controller_up", "Whether the node controller has told of what it runs.")
    state = table.family(
      "nodeagent_subsystem_state", "1 for the state that a sub-system is in, 0 for the others.",
      labels: ["name", "state"])
    restarts = table.family(
      "nodeagent_subsystem_restarts_total", "How often a sub-system was restarted.", .counter, labels: ["name"])
    subsystems = [
      Self.figure(
        &table, "nodeagent_subsystem_cpu_seconds_total", "Processor time of a sub-system.", .counter, ["name"]
      ) { $0.cpuMicroseconds.map { Double($0) / 1e6 } },
      Self.figure(
        &table, "nodeagent_subsystem_memory_working_set_bytes",
        "Memory of a sub-system without page cache that can be given up.", .gauge, ["name"]
      ) { $0.memory.map { Double($0) } },
      Self.figure(
        &table, "nodeagent_subsystem_memory_usage_bytes", "Memory of a sub-system with all page cache.", .gauge,
        ["name"]
      ) { $0.memoryTotal.map { Double($0) } },
      Self.figure(
        &table, "nodeagent_subsystem_processes", "Processes and threads of a sub-system, its keeper with them.", .gauge,
        ["name"]
      ) { $0.pids.map { Double($0) } },
      Self.figure(
        &table, "nodeagent_subsystem_oom_kills_total", "Processes that the kernel ended at the sub-system's limit.",
        .counter, ["name"]
      ) { $0.oomKills.map { Double($0) } },
    ]
    containers = Self.containerFigures(&table)
    seen = table.family("container_last_seen", "Last time a container was seen.", labels: Self.containerLabels)
    network = ["receive", "transmit"].flatMap { way in
      // What the host's end of the pair receives is what the container's end sends.
      let other = way == "receive" ? "transmit" : "receive"
      return [
        ("bytes", "bytes"), ("packets", "packets"), ("errors", "errs"), ("packets_dropped", "drop"),
      ].map { name, host in
        (
          table.family(
            "container_network_\(way)_\(name)_total", "Cumulative count of \(name.replacing("_", with: " ")), \(way).",
            .counter, labels: Self.containerLabels + ["interface"]), "node_network_\(other)_\(host)_total"
        )
      }
    }
    let counted: [(String, String, (NetworkMethods.Endpoint) -> UInt64)] = [
      ("receive_packets", "Packets that came to an endpoint.", { $0.receivedPackets }),
      ("receive_bytes", "Bytes of packets that came to an endpoint.", { $0.receivedBytes }),
      ("transmit_packets", "Packets that went out from an endpoint.", { $0.sentPackets }),
      ("transmit_bytes", "Bytes of packets that went out from an endpoint.", { $0.sentBytes }),
      (
        "refused_packets", "Packets to an endpoint's port of the node from where its scope does not reach.",
        { $0.refusedPackets }
      ),
    ]
    endpoints = counted.map { name, help, value in
      (
        table.family(
          "nodeagent_endpoint_\(name)_total", help, .counter, labels: ["container", "endpoint", "protocol"]), value
      )
    }
    healthy = table.family(
      "nodeagent_health_check_state", "1 for the state that a health check is in, 0 for the others.",
      labels: ["owner", "check", "state"])
    failures = table.family(
      "nodeagent_health_check_failures", "How often in a row a health check has failed.", labels: ["owner", "check"])
    duration = table.family(
      "nodeagent_health_check_duration_seconds", "How long the last look of a health check took.",
      labels: ["owner", "check"])
    cloud = table.family(
      "nodeagent_cloud_info", "What the cloud says of this machine; the value is always 1.",
      labels: ["provider", "instance_id", "instance_type", "region", "zone", "image"])
    cloudNotice = table.family(
      "nodeagent_cloud_notice", "1 while the cloud says that it is about to stop, move or end this machine.",
      labels: ["provider", "notice"])
    cloudReached = table.family(
      "nodeagent_cloud_up", "Whether the cloud's metadata service answers.", labels: ["provider"])
    processCPU = table.family(
      "nodeagent_process_cpu_seconds_total", "Processor time of the agent's own processes.", .counter,
      labels: ["process"])
    processMemory = table.family(
      "nodeagent_process_resident_memory_bytes", "Resident memory of the agent's own processes.", labels: ["process"])
    processFiles = table.family(
      "nodeagent_process_open_fds", "Open file descriptors of the monitor.", labels: ["process"])
  }

  private static let containerLabels = ["id", "image", "name"]

  private static func figure(
    _ table: inout SeriesTable, _ name: String, _ help: String, _ kind: MetricKind, _ labels: [String],
    _ value: @escaping (CgroupUsage) -> Double?
  ) -> Figure { (table.family(name, help, kind, labels: labels), value) }

  private static func containerFigures(_ table: inout SeriesTable) -> [Figure] {
    func seconds(_ microseconds: UInt64?) -> Double? { microseconds.map { Double($0) / 1e6 } }
    func number(_ value: UInt64?) -> Double? { value.map { Double($0) } }
    var figures: [Figure] = []
    func add(_ name: String, _ help: String, _ kind: MetricKind, _ value: @escaping (CgroupUsage) -> Double?) {
      figures.append(figure(&table, "container_\(name)", help, kind, containerLabels, value))
    }
    add("cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", .counter) { seconds($0.cpuMicroseconds) }
    add("cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds.", .counter) {
      seconds($0.cpuUserMicroseconds)
    }
    add("cpu_system_seconds_total", "Cumulative system cpu time consumed in seconds.", .counter) {
      seconds($0.cpuSystemMicroseconds)
    }
    add("cpu_cfs_throttled_periods_total", "Number of throttled period intervals.", .counter) {
      number($0.throttledPeriods)
    }
    add("cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled.", .counter) {
      seconds($0.throttledMicroseconds)
    }
    add("fs_reads_bytes_total", "Cumulative count of bytes read.", .counter) { number($0.readBytes) }
    add("fs_writes_bytes_total", "Cumulative count of bytes written.", .counter) { number($0.writtenBytes) }
    add("fs_reads_total", "Cumulative count of reads completed.", .counter) { number($0.reads) }
    add("fs_writes_total", "Cumulative count of writes completed.", .counter) { number($0.writes) }
    add(
      "memory_usage_bytes", "Current memory usage in bytes, including all memory regardless of when it was accessed.",
      .gauge
    ) {
      number($0.memoryTotal)
    }
    add("memory_working_set_bytes", "Current working set in bytes.", .gauge) { number($0.memory) }
    add("memory_max_usage_bytes", "Maximum memory usage recorded in bytes.", .gauge) { number($0.memoryPeak) }
    add("memory_rss", "Size of RSS in bytes.", .gauge) { number($0.memoryAnonymous) }
    add("memory_cache", "Number of bytes of page cache memory.", .gauge) { number($0.memoryFile) }
    add("spec_memory_limit_bytes", "Memory limit for the container; 0 for none.", .gauge) {
      Double($0.memoryLimit ?? 0)
    }
    add("oom_events_total", "Count of out of memory events observed for the container.", .counter) {
      number($0.oomKills)
    }
    add("threads", "Number of threads running inside the container.", .gauge) { number($0.pids) }
    add("threads_max", "Maximum number of threads allowed inside the container, infinity if value is zero.", .gauge) {
      Double($0.pidsLimit ?? 0)
    }
    return figures
  }

  /// - Parameter sources: `nil` when the node controller did not answer.
  func collect(_ sources: MetricSources?, _ cloud: CloudWatcher.State?, into table: inout SeriesTable) {
    if let cloud { collect(cloud, into: &table) }
    set(&table, build, [AgentVersion.current], 1)
    set(&table, reached, [], sources == nil ? 0 : 1)
    collectProcess("monitor", getpid(), into: &table)
    if let files = try? FileSystem.names(in: "/proc/self/fd") {
      set(&table, processFiles, ["monitor"], Double(files.count))
    }
    guard let sources else { return }
    for state in NodeState.allCases { set(&table, node, [state.rawValue], state == sources.node ? 1 : 0) }
    collectProcess("node-controller", sources.pid, into: &table)
    for subsystem in sources.subsystems {
      if subsystem.name == "container-controller", let pid = subsystem.pid {
        collectProcess(subsystem.name, pid, into: &table)
      }
      for one in SubsystemState.allCases {
        set(&table, state, [subsystem.name, one.rawValue], one == subsystem.state ? 1 : 0)
      }
      set(&table, restarts, [subsystem.name], Double(subsystem.restarts))
      for (family, value) in subsystems {
        if let value = value(subsystem.usage) { set(&table, family, [subsystem.name], value) }
      }
    }
    for container in sources.containers { collect(container, into: &table) }
    for check in sources.checks {
      for state in HealthState.allCases {
        set(&table, healthy, [check.owner, check.name, state.rawValue], state == check.state ? 1 : 0)
      }
      set(&table, failures, [check.owner, check.name], Double(check.failures))
      if let milliseconds = check.milliseconds {
        set(&table, duration, [check.owner, check.name], milliseconds / 1000)
      }
    }
  }

  private func collect(_ state: CloudWatcher.State, into table: inout SeriesTable) {
    set(&table, cloudReached, [state.provider], state.failure == nil ? 1 : 0)
    if let facts = state.facts {
      set(
        &table, cloud,
        [state.provider, facts.instanceID, facts.instanceType, facts.region, facts.zone, facts.image], 1)
    }
    set(&table, cloudNotice, [state.provider, state.notice ?? ""], state.notice == nil ? 0 : 1)
  }

  private func collect(_ container: MetricSources.Container, into table: inout SeriesTable) {
    let labels = [container.id, "", container.name]
    for (family, value) in containers {
      if let value = value(container.usage) { set(&table, family, labels, value) }
    }
    set(&table, seen, labels, Double(Clock.wallMicroseconds() / 1_000_000))
    for endpoint in container.endpoints ?? [] {
      let labels = [container.name, endpoint.name, endpoint.proto.rawValue]
      for (family, value) in endpoints { set(&table, family, labels, Double(value(endpoint))) }
    }
    guard let interface = container.interface else { return }
    for (family, host) in network {
      if let value = table.value(host, interface) { set(&table, family, labels + ["eth0"], value) }
    }
  }

  /// Processor time and memory of one process, of `/proc/PID/stat` (proc(5): fields 14, 15 and 24).
  private func collectProcess(_ name: String, _ pid: Int32, into table: inout SeriesTable) {
    guard let text = try? FileSystem.readText("/proc/\(pid)/stat", limit: 8192), let end = text.lastIndex(of: ")")
    else { return }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
      let pages = Double(fields[21])
    else { return }
    set(&table, processCPU, [name], (user + system) / Self.ticks)
    set(&table, processMemory, [name], pages * Self.page)
  }

  private func set(_ table: inout SeriesTable, _ family: FamilyID, _ labels: [String], _ value: Double) {
    for label in labels { table.label(label) }
    table.set(family, value)
    table.clearLabels()
  }
}
