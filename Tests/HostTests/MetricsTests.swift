// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import NodeController
import Testing

/// The metrics as others get them: over HTTP, by JSON-RPC, by the command line.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct MetricsTests {
  private static let address = "http://127.0.0.1:9733"

  /// The node's metrics over loopback TCP.
  private static func curl(_ agent: TestAgent, _ arguments: String...) throws -> Command {
    try agent.inside(["curl", "-sS", "--max-time", "30"] + arguments)
  }

  private static func ready(_ agent: TestAgent) throws {
    try agent.eventually("the monitor serves") {
      try curl(agent, "\(address)/metrics").output.contains("nodeagent_node_controller_up 1")
    }
  }

  /// The value of the first series that begins so.
  private static func value(_ text: String, _ series: String) -> Double? {
    for line in text.split(separator: "\n") where line.hasPrefix(series) {
      if let blank = line.lastIndex(of: " ") { return Double(line[line.index(after: blank)...]) }
    }
    return nil
  }

  @Test func `scrapers get the format that they ask for, over TCP and over the unix socket`() throws {
    let agent = try TestAgent()
    try Self.ready(agent)
    let plain = try Self.curl(agent, "-i", "\(Self.address)/metrics").output
    #expect(plain.contains("content-type: text/plain; version=0.0.4; charset=utf-8"))
    #expect(plain.contains("# TYPE node_cpu_seconds_total counter"))
    #expect(!plain.contains("# EOF"))
    let open = try Self.curl(
      agent, "-i", "-H", "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "--unix-socket",
      agent.instance.metricsHTTPSocket, "http://node/metrics"
    ).output
    #expect(open.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"))
    #expect(open.contains("# TYPE node_cpu_seconds counter"))
    #expect(open.hasSuffix("# EOF\n"))
    #expect(try Self.curl(agent, "-i", "\(Self.address)/other").output.contains("404 Not Found"))
    #expect(try Self.curl(agent, "-i", "-X", "POST", "-d", "x", "\(Self.address)/metrics").output.contains("405"))
    // As through a proxy.
    #expect(
      try Self.curl(agent, "-x", Self.address, "http://other.example/metrics?x=1").output.contains("\nnode_load1 "))
    let head = try Self.curl(agent, "-I", "\(Self.address)/metrics").output
    #expect(head.contains("200 OK") && !head.contains("# TYPE"))
    // Two requests on one connection.
    #expect(try Self.curl(agent, "\(Self.address)/", "\(Self.address)/").output.split(separator: "</html>").count >= 2)
    if Host.has("promtool") {
      let file = "\(agent.root)/exposition"
      let text = String(plain[(plain.firstRange(of: "\r\n\r\n")?.upperBound ?? plain.startIndex)...])
      try FileSystem.replace(file, with: Array(text.utf8), mode: 0o644)
      let result = try agent.inside(["sh", "-c", "promtool check metrics < \(file)"])
      // 3 is for names that it would have chosen otherwise: node_exporter's own.
      #expect(result.code == 0 || result.code == 3, "\(result)")
      for line in (result.error + result.output).split(separator: "\n") {
        #expect(line.hasPrefix("node_") && (line.contains("camelCase") || line.contains("base unit")), "\(line)")
      }
    }
  }

  @Test func `a node dashboard finds its series`() throws {
    let agent = try TestAgent()
    try Self.ready(agent)
    let text = try Self.curl(agent, "\(Self.address)/metrics").output
    for series in [
      "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}", "node_cpu_seconds_total{cpu=\"0\",mode=\"iowait\"}",
      "node_load1",
      "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes", "node_memory_Cached_bytes",
      "node_memory_SwapFree_bytes", "node_filesystem_avail_bytes{", "node_filesystem_size_bytes{",
      "node_filesystem_files_free{", "node_network_receive_bytes_total{device=\"lo\"}",
      "node_network_transmit_errs_total{", "node_network_up{", "node_boot_time_seconds", "node_time_seconds",
      "node_context_switches_total", "node_intr_total", "node_forks_total", "node_procs_running", "node_vmstat_pgfault",
      "node_netstat_Tcp_CurrEstab", "node_sockstat_TCP_tw", "node_filefd_allocated", "node_entropy_available_bits",
      "node_uname_info{", "node_timex_sync_status", "node_softnet_processed_total{",
      "node_pressure_cpu_waiting_seconds_total",
    ] { #expect(Self.value(text, series) != nil, "\(series)") }
    for device in ["node_disk_read_bytes_total{", "node_disk_io_time_seconds_total{", "node_disk_written_bytes_total{"]
    {
      #expect(Self.value(text, device) != nil || !FileSystem.exists("/sys/block/vda"), "\(device)")
    }
  }

  @Test(arguments: TestBackend.available) func `containers and sub-systems have theirs while they run`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.importBusybox(
      name: "bb", command: "[/bin/sh, -c, \"dd if=/dev/zero of=/dev/null bs=1M count=300; sleep 1000\"]")
    #expect(try agent.cli("run", "--name", "worker", "--memory", "64MiB", "bb").code == 0)
    try agent.unit(
      "svc", "command: [/bin/sh, -c, \"dd if=/dev/zero of=/dev/null bs=1M count=300 2>/dev/null; exec sleep 1000\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    func find(_ name: String, _ labels: [String: String]) throws -> Double? {
      try agent.metrics().call(MetricMethods.list, .init(names: [name], labels: labels)).first?.series.first?.value
    }
    try agent.eventually("the container's processor time") {
      try find("container_cpu_usage_seconds_total", ["name": "worker"]) ?? 0 > 0.001
    }
    #expect(try find("container_memory_working_set_bytes", ["name": "worker"]) ?? 0 > 10_000)
    #expect(try find("container_spec_memory_limit_bytes", ["name": "worker"]) == 67_108_864)
    #expect(try find("container_threads", ["name": "worker"]) ?? 0 >= 2)
    if try AgentCgroup.layout(try FileSystem.readText("/proc/self/cgroup")).mode == .unified {
      #expect(
        try agent.cli(
          "exec", "worker", "--", "/bin/dd", "if=/dev/zero", "of=/data/file", "bs=1M", "count=4", "conv=fsync"
        )
        .code == 0)
      try agent.eventually("what it wrote to the disk") {
        try find("container_fs_writes_bytes_total", ["name": "worker"]) ?? 0 >= 4_194_304
      }
    }
    try agent.eventually("the sub-system's processor time") {
      try find("nodeagent_subsystem_cpu_seconds_total", ["name": "svc"]) ?? 0 > 0.001
    }
    #expect(try find("nodeagent_subsystem_state", ["name": "svc", "state": "available"]) == 1)
    #expect(try find("nodeagent_subsystem_state", ["name": "svc", "state": "failed"]) == 0)
    #expect(try find("nodeagent_node_state", ["state": "available"]) == 1)
    #expect(try agent.cli("rm", "--force", "worker").code == 0)
    #expect(try agent.cli("subsystem", "stop", "svc").code == 0)
    #expect(try find("container_cpu_usage_seconds_total", ["name": "worker"]) == nil)
    #expect(try find("nodeagent_subsystem_state", ["name": "svc", "state": "stopped"]) == 1)
  }

  @Test func `the metrics go on while no node controller lives, and say so`() throws {
    let agent = try TestAgent()
    try Self.ready(agent)
    try agent.killNodeController()
    let text = try Self.curl(agent, "\(Self.address)/metrics").output
    #expect(text.contains("nodeagent_node_controller_up 0"))
    #expect(Self.value(text, "node_load1") != nil)
    #expect(Self.value(text, "nodeagent_subsystem_state{") == nil)
    try agent.startDaemon()
    try Self.ready(agent)
  }

  @Test func `a subscriber gets them at his interval, and history has what was`() throws {
    let agent = try TestAgent()
    try Self.ready(agent)
    let client = try agent.metrics()
    _ = try client.subscribe(MetricMethods.topic, .init(names: ["node_time_seconds"], interval: 100))
    var times: [Double] = []
    while times.count < 4, case .event(let sample)? = try client.next(MetricSample.self) {
      times.append(try #require(sample.metrics.first?.series.first?.value))
    }
    #expect(times.count == 4)
    for (first, second) in zip(times, times.dropFirst()) { #expect(second > first) }
    let history = try agent.metrics().call(MetricMethods.history, .init(names: ["node_load*"]))
    #expect(history.map(\.name) == ["node_load1", "node_load5", "node_load15"])
    #expect(history.allSatisfy { !$0.values.isEmpty && $0.values.count == $0.times.count })
    let text = try agent.cli("metrics", "history", "node_load1")
    #expect(text.code == 0 && text.output.hasPrefix("node_load1\n"), "\(text)")
    let other = try agent.metrics()
    _ = try other.subscribe(MetricMethods.topic, .init(interval: 1))
    guard case .end(let error)? = try other.next(MetricSample.self) else {
      throw Command.Failure(description: "no end")
    }
    #expect(error?.code == .invalidParams, "\(String(describing: error))")
  }

  @Test func `the command line shows them for people and for programs`() throws {
    let agent = try TestAgent()
    try Self.ready(agent)
    let lines = try agent.cli("metrics", "node_cpu_seconds_total", "--label", "cpu=0").output.split(separator: "\n")
    #expect(lines.count == 8)
    #expect(lines.allSatisfy { $0.hasPrefix("node_cpu_seconds_total{cpu=\"0\",mode=\"") })
    let views = try JSONCoding.decode(
      [MetricView].self, from: Array(try agent.cli("metrics", "--json", "node_boot*").output.utf8))
    #expect(views.map(\.name) == ["node_boot_time_seconds"])
    #expect(views.first?.kind == "gauge")
    let none = try agent.cli("metrics", "no_such_metric")
    #expect(none.code == 4 && none.error.contains("no such metric"), "\(none)")
    let status = try agent.cli("metrics", "status").output
    #expect(status.contains("tcp://127.0.0.1:9733") && status.contains("unix://"), "\(status)")
  }

  @Test func `garbage, giants and crowds do not stop it`() throws {
    let agent = try TestAgent()
    try Self.ready(agent)
    let path = agent.instance.metricsHTTPSocket
    var held: [SharedDescriptor] = []
    // More than it serves at once: those beyond are closed, and nobody waits for them.
    for _ in 0..<200 { held.append(SharedDescriptor(try UnixSocket.connect(path))) }
    held = []
    for request in [
      "GET\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "GET /metrics HTTP/9.9\r\n\r\n",
      "GET /\(String(repeating: "a", count: 200_000)) HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\n\(String(repeating: "x: y\r\n", count: 50_000))\r\n",
      "POST /metrics HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\n\(String(repeating: "z", count: 300_000))",
      "GET /metrics HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ] {
      let socket = try UnixSocket.connect(path)
      // It may hang up in the middle.
      signal(SIGPIPE, SIG_IGN)
      try? FileSystem.write(Array(request.utf8), to: socket.raw)
    }
    try agent.eventually("it still serves") {
      try Self.curl(agent, "--unix-socket", path, "http://node/metrics").output.contains("node_load1 ")
    }
    #expect(try agent.subsystem("monitor").restarts == 0)
  }

  @Test func `a changed file is applied by a reload, and by a node controller that finds the monitor running`() throws {
    let agent = try TestAgent()
    try Self.ready(agent)
    let first = agent.subsystemPID("monitor")
    func write(_ port: Int) throws {
      try FileSystem.replace(
        agent.instance.metrics, with: Array("listen: [\"tcp://127.0.0.1:\(port)\"]\n".utf8), mode: 0o644)
    }
    func serves(_ port: Int) throws {
      try agent.eventually("it serves on port \(port)") {
        try Self.curl(agent, "http://127.0.0.1:\(port)/metrics").output.contains("nodeagent_node_controller_up 1")
      }
    }
    try FileSystem.makeDirectories(agent.instance.configuration, mode: 0o755)
    try write(9803)
    let plan = try agent.cli("subsystem", "reload", "--dry-run").output
    #expect(plan.contains("monitor") && plan.contains("metrics.yaml has changed"), "\(plan)")
    #expect(agent.subsystemPID("monitor") == first)
    #expect(try agent.cli("subsystem", "reload").code == 0)
    try serves(9803)
    let second = agent.subsystemPID("monitor")
    #expect(second != first)
    // Nothing has changed: nothing is started again.
    let nothing = try agent.cli("subsystem", "reload").output
    #expect(!nothing.contains("metrics.yaml"), "\(nothing)")
    try agent.killNodeController()
    try agent.startDaemon()
    #expect(agent.subsystemPID("monitor") == second)
    try agent.killNodeController()
    try write(9804)
    try agent.startDaemon()
    try serves(9804)
    #expect(agent.subsystemPID("monitor") != second)
    try FileSystem.replace(agent.instance.metrics, with: Array("listen: 9100\n".utf8), mode: 0o644)
    let refused = try agent.cli("subsystem", "reload")
    #expect(refused.code != 0 && refused.error.contains("metrics.yaml:1"), "\(refused)")
    try serves(9804)
  }

  @Test func `its file says where it listens; an error there is told and keeps nothing from starting`() throws {
    let agent = try TestAgent()
    try Self.ready(agent)
    func restart(_ text: String) throws {
      agent.endDaemon(keepContainers: false)
      try FileSystem.makeDirectories(agent.instance.configuration, mode: 0o755)
      try FileSystem.replace(agent.instance.metrics, with: Array(text.utf8), mode: 0o644)
      try agent.startDaemon()
    }
    // The second of the same cannot be had; that must not matter to the others.
    try restart("listen: [\"tcp://127.0.0.1:9801\", \"tcp://127.0.0.1:9801\", \"tcp://[::1]:9802\"]\n")
    try agent.eventually("it serves there") {
      try Self.curl(agent, "http://[::1]:9802/metrics").output.contains("node_load1 ")
    }
    #expect(
      try agent.metrics().call(MetricMethods.status).listening.filter { $0.hasPrefix("tcp") } == [
        "tcp://127.0.0.1:9801", "tcp://[::1]:9802",
      ])
    try restart("listen: 9100\n")
    try Self.ready(agent)
    let events = try agent.call(EventMethods.list, .init(kinds: ["node"]), node: true)
    let refused = try #require(events.last { $0.event == "configuration refused" })
    #expect(refused.cause?.contains("metrics.yaml:1") ?? false, "\(refused)")
  }
}
