// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Synchronization
import Testing

/// Real services of the host under the agent, by unit files, sockets and the command line.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct SubsystemTests {
  // MARK: - Starting and stopping

  @Test(arguments: TestBackend.available) func `what is required starts first and ends last`(backend: TestBackend)
    throws
  {
    let agent = try TestAgent(backend)
    let trace = "\(agent.root)/trace"
    func unit(_ name: String, _ lines: String) throws {
      try agent.unit(
        name,
        """
        command: [/bin/sh, -c, "echo +\(name) >> \(trace); trap 'echo -\(name) >> \(trace); exit 0' TERM; sleep 1000 & wait"]
        start: demand
        \(lines)
        """)
    }
    try unit("storage", "")
    try unit("database", "requires: [storage]")
    try unit("cache", "")
    try unit("web", "requires: [database]\nwants: [cache]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let plan = try agent.cli("subsystem", "start", "-n", "web")
    #expect(plan.output.contains("start storage  required by database"), "\(plan)")
    #expect(!FileSystem.exists(trace))
    let started = try agent.cli("subsystem", "start", "web")
    #expect(started.code == 0, "\(started)")
    try agent.eventually("all have begun") { try agent.lines(trace).count == 4 }
    let events = try agent.call(EventMethods.list, .init(kinds: ["subsystem"]), node: true)
    func place(_ name: String, _ event: String) throws -> Int {
      try #require(events.firstIndex { $0.name == name && $0.event == event })
    }
    for (first, second) in [("storage", "database"), ("database", "web"), ("cache", "web")] {
      #expect(try place(first, "available") < place(second, "starting"))
    }
    #expect(try agent.cli("subsystem", "stop", "storage").code == 0)
    #expect(try agent.lines(trace).suffix(3) == ["-web", "-database", "-storage"])
    #expect(try agent.subsystem("cache").state == .available)
    #expect(try agent.subsystem("database").state == .stopped)
  }

  @Test(arguments: TestBackend.available) func `down ends all of them, and nothing of them is left`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.unit("fork", "command: [/bin/sh, -c, \"setsid sleep 1017 & setsid sleep 1017 & exec sleep 1017\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    try agent.eventually("it has forked") { try agent.inspect("fork").processes.count == 3 }
    let processes = try agent.inspect("fork").processes
    agent.endDaemon(keepContainers: false)
    for pid in processes { #expect(kill(pid, 0) < 0) }
    #expect(try FileSystem.names(in: agent.instance.subsystemRun) == [])
  }

  @Test(arguments: TestBackend.available) func `a task is done before those that need it begin`(backend: TestBackend)
    throws
  {
    let agent = try TestAgent(backend)
    let mark = "\(agent.root)/mark"
    try agent.unit("prepare", "command: [/bin/sh, -c, \"sleep 0.3; echo done > \(mark)\"]\nreadiness: exited")
    try agent.unit("use", "command: [/bin/sh, -c, \"cat \(mark); exec sleep 1000\"]\nrequires: [prepare]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    #expect(try agent.subsystem("prepare").state == .available)
    #expect(try agent.subsystem("prepare").pid == nil)
    try agent.eventually("the log has it") { try agent.cli("logs", "use").output == "done\n" }
  }

  @Test(arguments: TestBackend.available) func `one that requires what fails waits, and starts once that is there`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    let gate = "\(agent.root)/gate"
    try agent.unit(
      "first",
      "command: [/bin/sh, -c, \"test -e \(gate) && exec sleep 1000; exit 7\"]\nreadiness: notify\nrestart: never")
    try agent.unit("second", "command: [/bin/sleep, \"1000\"]\nrequires: [first]")
    let failed = try agent.cli("subsystem", "reload")
    #expect(failed.code == 1)
    #expect(failed.error.contains("it exited with code 7"), "\(failed)")
    let waiting = try agent.subsystem("second")
    #expect(waiting.state == .waiting)
    #expect(waiting.reason == "it requires first, which is failed")
    try FileSystem.replace(gate, with: [], mode: 0o644)
    try agent.unit("first", "command: [/bin/sh, -c, \"test -e \(gate) && exec sleep 1000; exit 7\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    #expect(try agent.cli("subsystem", "start", "first").code == 0)
    try agent.eventually("the second has started") { try agent.subsystem("second").state == .available }
  }

  // MARK: - Failing

  @Test(arguments: TestBackend.available) func `one that is killed is started again, and what it left is ended`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.unit("svc", "command: [/bin/sh, -c, \"setsid sleep 1018 & exec sleep 1018\"]\nrestart: always")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    try agent.eventually("it has forked") { try agent.inspect("svc").processes.count == 2 }
    let before = try agent.inspect("svc")
    let pid = try #require(before.view.pid)
    kill(pid, SIGKILL)
    try agent.eventually("a new process") {
      let view = try agent.subsystem("svc")
      return view.state == .available && view.pid != pid
    }
    for old in before.processes { #expect(kill(old, 0) < 0) }
    try agent.eventually("it has forked again") { try agent.inspect("svc").processes.count == 2 }
    #expect(try agent.subsystem("svc").restarts == 1)
    let events = try agent.cli("events", "svc").output
    #expect(events.contains("leftovers ended: it left 1 process behind"), "\(events)")
    #expect(events.contains("backoff: signal 9 ended it"), "\(events)")
  }

  @Test(arguments: TestBackend.available) func `one that cannot live is given up after its burst`(backend: TestBackend)
    throws
  {
    let agent = try TestAgent(backend)
    try agent.unit(
      "dies", "command: [/bin/sh, -c, \"echo last words; exit 3\"]\nrestart: {policy: always, delay: 10ms, burst: 3}")
    _ = try agent.cli("subsystem", "reload")
    try agent.eventually("it is given up") { try agent.subsystem("dies").state == .failed }
    let view = try agent.subsystem("dies")
    #expect(view.restarts == 3)
    #expect(view.reason == "it exited with code 3; restarted 3 times within 60000 ms")
    #expect(try agent.cli("subsystem", "logs", "dies").output == String(repeating: "last words\n", count: 4))
    let status = try agent.cli("subsystem", "status", "dies")
    #expect(status.code == 5)
    #expect(status.output.contains("last words"))
  }

  @Test(arguments: TestBackend.available) func `the next node controller goes on with what waits, and only with that`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    // One that was given up, one that never came to run, and one that is to be started again later.
    try agent.unit("dies", "command: [/bin/false]\nstart: demand\nrestart: {policy: always, delay: 10ms, burst: 1}")
    try agent.unit("bad", "command: [/nonexistent/program]\nstart: demand\nrestart: never")
    try agent.unit("waits", "command: [/bin/false]\nstart: demand\nrestart: {policy: always, delay: 30s}")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    for name in ["dies", "bad", "waits"] { _ = try agent.cli("subsystem", "start", name) }
    try agent.eventually("it is given up") { try agent.subsystem("dies").state == .failed }
    try agent.eventually("it waits") { try agent.subsystem("waits").state == .backoff }
    let last = try agent.call(EventMethods.list, .init(), node: true).last?.sequence ?? 0
    try agent.killNodeController()
    try agent.startDaemon()
    try agent.eventually("it was started again, and waits again") { try agent.subsystem("waits").state == .backoff }
    for name in ["dies", "bad"] { #expect(try agent.subsystem(name).state == .stopped) }
    let events = try agent.call(EventMethods.list, .init(), node: true).filter {
      $0.sequence > last && $0.kind == "subsystem"
    }
    #expect(!events.contains { ["dies", "bad"].contains($0.name) }, "\(events)")
    #expect(!events.contains { $0.name == "waits" && $0.event == "ended" }, "\(events)")
  }

  @Test(
    arguments: TestBackend.available,
    [
      ("command: [/nonexistent/program]", "is /nonexistent/program installed"),
      ("command: [/etc/passwd]", "may root execute /etc/passwd?"),
      ("command: [/bin/sleep, \"1\"]\nuser: nobody-at-all", "there is no user nobody-at-all"),
      ("command: [/bin/sleep, \"1\"]\ngroup: no-such-group", "there is no group no-such-group"),
      ("command: [/bin/sleep, \"1\"]\ndirectory: /nonexistent", "entering its working directory"),
      (
        "command: [/bin/sleep, \"1\"]\nsockets: [{listen: \"tcp://192.0.2.77:1\"}]",
        "cannot listen on tcp://192.0.2.77:1"
      ),
    ])
  func `what keeps it from starting is said`(backend: TestBackend, lines: (String, String)) throws {
    let agent = try TestAgent(backend)
    try agent.unit("bad", "\(lines.0)\nrestart: never")
    let result = try agent.cli("subsystem", "reload")
    #expect(result.code == 1)
    #expect(result.error.contains(lines.1), "\(result)")
    #expect(try agent.subsystem("bad").state == .failed)
  }

  /// Hung, slow to start and leaking: each is noticed and told apart.
  @Test(arguments: TestBackend.available) func `one that hangs gives no sign of life and is started again`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.notifier()
    try agent.unit(
      "alive",
      "command: [/usr/bin/perl, \(agent.root)/notify.pl, \"0\", \"0.1\"]\nreadiness: notify\nwatchdog: 800ms\nrestart: always"
    )
    let result = try agent.cli("subsystem", "reload")
    #expect(result.code == 0, "\(result)")
    let pid = try #require(try agent.subsystem("alive").pid)
    usleep(1_200_000)
    #expect(try agent.subsystem("alive").pid == pid)
    kill(pid, SIGSTOP)
    try agent.eventually("a new process") {
      let view = try agent.subsystem("alive")
      return view.state == .available && view.pid != pid
    }
    #expect(try agent.cli("events", "alive").output.contains("unhealthy: no sign of life (WATCHDOG=1) for 800 ms"))
  }

  @Test(arguments: TestBackend.available) func `one that is slow to start is ended, and says so`(backend: TestBackend)
    throws
  {
    let agent = try TestAgent(backend)
    try agent.notifier()
    try agent.unit(
      "slow",
      "command: [/usr/bin/perl, \(agent.root)/notify.pl, \"30\", \"0.1\"]\nreadiness: notify\nready-timeout: 300ms\nrestart: never"
    )
    let result = try agent.cli("subsystem", "reload")
    #expect(result.code == 1)
    #expect(result.error.contains("it was not ready within 300 ms"), "\(result)")
  }

  @Test(arguments: TestBackend.available) func `a stop cuts a slow start short`(backend: TestBackend) throws {
    let agent = try TestAgent(backend)
    try agent.notifier()
    try agent.unit(
      "slow",
      "command: [/usr/bin/perl, \(agent.root)/notify.pl, \"600\", \"1\"]\nreadiness: notify\nready-timeout: 10m\nstart: demand"
    )
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let path = agent.instance.nodeSocket
    // A thread of its own: this test holds one of the few of the cooperative pool.
    let outcome = PlanBox()
    try NamedThread.start("start") {
      let plan = try? RPCClient(path: path).call(
        SubsystemMethods.start, .init(names: ["slow"]), deadline: 120_000)
      outcome.plan.withLock { $0 = plan }
    }
    try agent.eventually("it runs") { try agent.subsystem("slow").pid != nil }
    #expect(try agent.cli("subsystem", "stop", "slow").code == 0)
    #expect(try agent.subsystem("slow").state == .stopped)
    try agent.eventually("the start has given up") { outcome.plan.withLock { $0 != nil } }
    let plan = try #require(outcome.plan.withLock { $0 })
    #expect(plan.steps.first?.problem?.contains("slow is stop") ?? false, "\(plan)")
    let stopped = try agent.inspect("slow")
    #expect(stopped.processes == [])
  }

  @Test func `callers do not start what cannot be started again and again`() throws {
    let agent = try TestAgent()
    let path = "\(agent.root)/svc.sock"
    let tries = "\(agent.root)/tries"
    try agent.unit(
      "svc",
      """
      command: [/bin/sh, -c, "echo x >> \(tries); exit 1"]
      start: socket
      readiness: notify
      restart: {policy: always, delay: 1ms, burst: 2}
      sockets: [{name: front, listen: "unix://\(path)"}]
      """)
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let caller = try UnixSocket.connect(path)
    try agent.eventually("it is given up") { try agent.subsystem("svc").state == .failed }
    usleep(500_000)
    #expect(try agent.lines(tries).count == 3)
    withExtendedLifetime(caller.raw) {}
  }

  @Test(arguments: TestBackend.available) func `one that leaks memory is ended at its limit, and says so`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.unit(
      "leak",
      "command: [/usr/bin/perl, -e, 'my @a; while (1) { push @a, \"x\" x 1048576 }']\nlimits: {memory: 24MiB}\nrestart: never"
    )
    _ = try agent.cli("subsystem", "reload")
    try agent.eventually("it is ended", seconds: 60) { try agent.subsystem("leak").state == .failed }
    #expect(try agent.subsystem("leak").reason == "it was ended because its memory limit was reached")
  }

  @Test(arguments: TestBackend.available) func `one that does not end is ended by force`(backend: TestBackend) throws {
    let agent = try TestAgent(backend)
    try agent.unit(
      "deaf", "command: [/bin/sh, -c, \"trap '' TERM; while true; do sleep 0.1; done\"]\nstop: {timeout: 300ms}")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    #expect(try agent.cli("subsystem", "stop", "deaf").code == 0)
    #expect(try agent.subsystem("deaf").state == .stopped)
    #expect(try agent.cli("events", "deaf").output.contains("stop forced: it did not end within 300 ms"))
  }

  // MARK: - Through the death of the node controller

  @Test(arguments: TestBackend.available) func `it goes on while no node controller lives, without a gap in its log`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.unit(
      "count",
      "command: [/bin/sh, -c, \"i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); sleep 0.005; done; sleep 1000\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let pid = try agent.subsystem("count").pid
    for _ in 0..<Host.rounds(3) {
      try agent.killNodeController()
      usleep(100_000)
      try agent.startDaemon()
      let view = try agent.subsystem("count")
      #expect(view.pid == pid)
      #expect(view.state == .available)
    }
    try agent.eventually("it has counted", seconds: 60) { try agent.cli("logs", "count", "-n", "1").output == "399\n" }
    #expect(try agent.lines(of: "count") == (0..<400).map(String.init))
    #expect(try agent.cli("subsystem", "stop", "count").code == 0)
  }

  @Test func `an agent of another version takes up what runs`() throws {
    let agent = try TestAgent()
    try agent.unit("svc", "command: [/bin/sleep, \"1000\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let pid = try agent.subsystem("svc").pid
    try agent.killNodeController()
    // A specification without members that this version has, and with one that it has not.
    let file = "\(agent.instance.subsystemRun)/svc/record.json"
    guard case .object(var record) = try JSONCoding.decode(JSONValue.self, from: try FileSystem.read(file)) else {
      throw Command.Failure(description: "the record is no object")
    }
    record["spec"] = ["name": "svc", "colour": "red"]
    try FileSystem.replace(file, with: try JSONCoding.encode(JSONValue.object(record)), mode: 0o600)
    try agent.startDaemon()
    #expect(try agent.subsystem("svc").pid == pid)
    #expect(try agent.subsystem("svc").state == .available)
    #expect(try agent.cli("subsystem", "stop", "svc").code == 0)
  }

  @Test(
    arguments: TestBackend.available,
    [("always", "exit 0", true), ("on-failure", "exit 0", false), ("on-failure", "exit 4", true)])
  func `an end that nobody saw is found, and its policy followed`(
    backend: TestBackend, end: (policy: String, command: String, again: Bool)
  ) throws {
    let agent = try TestAgent(backend)
    let gate = "\(agent.root)/gate"
    try agent.unit(
      "svc",
      "command: [/bin/sh, -c, \"while [ ! -e \(gate) ]; do sleep 0.02; done; \(end.command)\"]\nrestart: \(end.policy)\nstart: demand"
    )
    #expect(try agent.cli("subsystem", "reload").code == 0)
    #expect(try agent.cli("subsystem", "start", "svc").code == 0)
    let pid = agent.subsystemPID("svc")
    let process = try Pidfd(opening: pid)
    try agent.killNodeController()
    try FileSystem.replace(gate, with: [], mode: 0o644)
    #expect(try process.waitForEnd(milliseconds: 10_000))
    try FileSystem.remove(gate)
    try agent.startDaemon()
    try agent.eventually("it is as its policy says") {
      try agent.subsystem("svc").state == (end.again ? .available : .stopped)
    }
    #expect(try agent.cli("events", "svc").output.contains("ended while the agent was away"))
  }

  @Test(arguments: TestBackend.available)
  func `a keeper that somebody kills takes its process along, and both come back`(backend: TestBackend) throws {
    let agent = try TestAgent(backend)
    try agent.unit("svc", "command: [/bin/sleep, \"1019\"]\nrestart: always")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let pid = try #require(try agent.subsystem("svc").pid)
    kill(try ProcessStatus.identity(of: pid).parent, SIGKILL)
    try agent.eventually("a new process") {
      let view = try agent.subsystem("svc")
      return view.state == .available && view.pid != pid
    }
    #expect(kill(pid, 0) < 0)
  }

  // MARK: - What it runs with

  @Test(arguments: TestBackend.available)
  func `user, groups, environment, directory, limits and capabilities are as its file says`(backend: TestBackend) throws
  {
    let agent = try TestAgent(backend)
    try agent.unit(
      "probe",
      """
      command: [/bin/sh, -c, "id -u; id -g; pwd; echo $COLOUR; ulimit -n; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; ls /proc/self/fd; exec sleep 1000"]
      user: nobody
      group: daemon
      directory: /usr
      environment: {COLOUR: "blue and green"}
      limits: {files: 77}
      """)
    #expect(try agent.cli("subsystem", "reload").code == 0)
    try agent.eventually("it has said it") { try agent.lines(of: "probe").count >= 8 }
    let lines = try agent.lines(of: "probe")
    #expect(lines[0] == "65534")
    #expect(lines[1] == "1")
    #expect(lines[2] == "/usr")
    #expect(lines[3] == "blue and green")
    #expect(lines[4] == "77")
    #expect(lines.contains("CapEff:\t0000000000000000"))
    #expect(lines.contains("CapBnd:\t0000000000000000"))
    #expect(lines.contains("NoNewPrivs:\t1"))
    // stdin, stdout, stderr, and the directory that ls reads.
    #expect(lines.suffix(4) == ["0", "1", "2", "3"])
  }

  @Test(arguments: TestBackend.available) func `its keeper has no privilege, and only its log`(backend: TestBackend)
    throws
  {
    let agent = try TestAgent(backend)
    try agent.unit("svc", "command: [/bin/sleep, \"1000\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let keeper = try ProcessStatus.identity(of: #require(try agent.subsystem("svc").pid)).parent
    let status = try FileSystem.readText("/proc/\(keeper)/status")
    for line in ["CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
      #expect(status.contains(line), "\(status)")
    }
    #expect(!status.contains("Uid:\t0"))
  }

  @Test(arguments: TestBackend.available) func `a reload reaches it by signal or command`(backend: TestBackend) throws {
    let agent = try TestAgent(backend)
    try agent.unit(
      "sig", "command: [/bin/sh, -c, \"trap 'echo again' HUP; while true; do sleep 0.05; done\"]\nreload: {signal: HUP}"
    )
    try agent.unit(
      "cmd", "command: [/bin/sleep, \"1000\"]\nreload: {command: [/bin/sh, -c, \"id -u > \(agent.root)/reloaded\"]}")
    try agent.unit(
      "bad", "command: [/bin/sleep, \"1000\"]\nreload: {command: [/bin/sh, -c, \"echo no such file; exit 9\"]}")
    try agent.unit("none", "command: [/bin/sleep, \"1000\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    #expect(try agent.cli("subsystem", "reload", "sig", "cmd").code == 0)
    try agent.eventually("the signal has arrived") { try agent.lines(of: "sig") == ["again"] }
    #expect(try agent.lines("\(agent.root)/reloaded") == ["0"])
    let bad = try agent.cli("subsystem", "reload", "bad")
    #expect(bad.code == 1)
    #expect(bad.error.contains("no such file"), "\(bad)")
    #expect(try agent.cli("subsystem", "reload", "none").error.contains("has no way to reload"))
  }

  // MARK: - Sockets

  @Test(arguments: TestBackend.available) func `a caller starts it, and finds its socket open through its death`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.listener()
    let path = "\(agent.root)/svc.sock"
    try agent.unit(
      "svc",
      """
      command: [/usr/bin/perl, \(agent.root)/listen.pl]
      start: socket
      restart: always
      sockets: [{name: front, listen: "unix://\(path)", mode: 0666}]
      """)
    #expect(try agent.cli("subsystem", "reload").code == 0)
    #expect(try agent.subsystem("svc").state == .stopped)
    let first = try Self.ask(path)
    #expect(first.hasPrefix("front 1 "), "\(first)")
    try agent.eventually("it counts as available") { try agent.subsystem("svc").state == .available }
    let pid = try #require(try agent.subsystem("svc").pid)
    #expect(first == "front 1 \(pid)\n")
    try Self.end(pid)
    let second = try Self.ask(path)
    #expect(second.hasPrefix("front 1 "))
    #expect(second != first)
    try agent.killNodeController()
    #expect(try Self.ask(path) == second)
    try agent.startDaemon()
    #expect(try Self.ask(path) == second)
    try Self.end(try #require(try agent.subsystem("svc").pid))
    #expect(try Self.ask(path).hasPrefix("front 1 "))
    #expect(try agent.cli("subsystem", "stop", "svc").code == 0)
    #expect(try Self.ask(path).hasPrefix("front 1 "))
  }

  /// By `kill -9`; what it may still have accepted ends with it.
  private static func end(_ pid: Int32) throws {
    let process = try Pidfd(opening: pid)
    try process.signal(SIGKILL)
    _ = try process.waitForEnd(milliseconds: 10_000)
  }

  private static func ask(_ path: String) throws -> String {
    let socket = try UnixSocket.connect(path)
    var poll = PollSet()
    poll.add(socket.raw)
    guard try poll.wait(milliseconds: 20_000) else { return "nothing within 20 s" }
    return String(decoding: try FileSystem.readAll(socket.raw, limit: 4096, object: path), as: UTF8.self)
  }

  @Test func `a unit of systemd is systemd's to log, and what has never run has no log`() throws {
    let agent = try TestAgent()
    try agent.unit("never", "command: [/bin/sleep, \"1000\"]\nstart: demand")
    try agent.unit("machine", "unit: of-the-machine.service\nstart: demand")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    #expect(try agent.cli("logs", "never").output == "")
    let refused = try agent.cli("rpc", "subsystem.logs", "{\"name\": \"machine\"}")
    #expect(refused.code == 5)
    #expect(refused.error.contains("journalctl -u of-the-machine.service"), "\(refused)")
    let status = try agent.cli("subsystem", "status", "machine")
    #expect(status.output.contains("journalctl -u of-the-machine.service"), "\(status)")
    let started = try agent.cli("subsystem", "start", "machine")
    #expect(started.code == 1)
    #expect(started.error.contains("machine"), "\(started)")
  }

  // MARK: - Unit files

  @Test(arguments: TestBackend.available) func `a change of the files changes only what it has to`(backend: TestBackend)
    throws
  {
    let agent = try TestAgent(backend)
    try agent.unit("same", "command: [/bin/sleep, \"1000\"]")
    try agent.unit("other", "command: [/bin/sleep, \"1000\"]")
    try agent.unit("gone", "command: [/bin/sleep, \"1000\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let same = try agent.subsystem("same").pid
    let other = try agent.subsystem("other").pid
    try agent.unit("other", "command: [/bin/sleep, \"1001\"]")
    try FileSystem.remove("\(agent.instance.subsystemUnits)/gone.yaml")
    try agent.unit("new", "command: [/bin/sleep, \"1002\"]")
    let plan = try agent.cli("subsystem", "reload", "--dry-run").output
    for line in ["stop gone", "forget gone", "stop other", "start other", "add new", "start new"] {
      #expect(plan.contains(line), "\(plan)")
    }
    #expect(try agent.subsystem("gone").state == .available)
    #expect(try agent.cli("subsystem", "reload").code == 0)
    #expect(try agent.subsystem("same").pid == same)
    #expect(try agent.subsystem("other").pid != other)
    #expect(try agent.subsystem("new").state == .available)
    let missing = try agent.cli("subsystem", "status", "gone")
    #expect(missing.code == 4)
    #expect(try agent.cli("subsystem", "reload").output == "nothing to do\n")
  }

  @Test(arguments: TestBackend.available) func `with an error in one file nothing is changed, and the error says where`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.unit("good", "command: [/bin/sleep, \"1000\"]")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let pid = try agent.subsystem("good").pid
    try agent.unit("good", "command: [/bin/sleep, \"2000\"]")
    try agent.unit("bad", "command: [/bin/sleep, \"1000\"]\nrestart: sometimes")
    let result = try agent.cli("subsystem", "reload")
    #expect(result.code == 1)
    #expect(result.error.contains("bad.yaml:2: restart: must be never or always or on-failure"), "\(result)")
    #expect(try agent.subsystem("good").pid == pid)
    try agent.unit("bad", "command: [/bin/sleep, \"1000\"]\nrequires: [goood]")
    #expect(try agent.cli("subsystem", "reload").error.contains("did you mean good?"))
    // A node has to come up all the same.
    try agent.killNodeController()
    try agent.startDaemon()
    #expect(try agent.subsystem("good").state == .available)
    #expect(try agent.cli("events", "--severity", "error", "bad").output.contains("unit refused"))
  }

  @Test(arguments: TestBackend.available) func `a file that others can write is refused`(backend: TestBackend) throws {
    let agent = try TestAgent(backend)
    try agent.unit("svc", "command: [/bin/sleep, \"1000\"]")
    chmod("\(agent.instance.subsystemUnits)/svc.yaml", 0o666)
    let result = try agent.cli("subsystem", "reload")
    #expect(result.code == 1)
    #expect(result.error.contains("can be written by others than root"), "\(result)")
    #expect(try agent.cli("subsystem", "start", "svc").code == 4)
  }

  @Test(arguments: TestBackend.available) func `a part of the agent cannot be stopped or replaced`(backend: TestBackend)
    throws
  {
    let agent = try TestAgent(backend)
    #expect(try agent.cli("subsystem", "stop", "container-controller").code == 5)
    try agent.unit("container-controller", "command: [/bin/sleep, \"1000\"]")
    #expect(try agent.cli("subsystem", "reload").error.contains("is a part of the agent"))
    let pid = try agent.subsystem("container-controller").pid
    #expect(try agent.cli("subsystem", "restart", "container-controller").code == 0)
    #expect(try agent.subsystem("container-controller").pid != pid)
  }

  @Test(arguments: TestBackend.available) func `many requests at once end in a clean state`(backend: TestBackend)
    async throws
  {
    // A number that no other test has.
    let seconds = backend == .builtIn ? 1021 : 1022
    let agent = try TestAgent(backend)
    try agent.unit("svc", "command: [/bin/sh, -c, \"setsid sleep \(seconds) & exec sleep \(seconds)\"]\nstart: demand")
    #expect(try agent.cli("subsystem", "reload").code == 0)
    let path = agent.instance.nodeSocket
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<24 {
        group.addTask {
          _ = try? await Blocking.onOwnThread("call") {
            try RPCClient(path: path).call(
              [SubsystemMethods.start, SubsystemMethods.stop, SubsystemMethods.restart][index % 3],
              .init(names: ["svc"]), deadline: 60_000)
          }
        }
      }
    }
    #expect(try agent.cli("subsystem", "stop", "svc").code == 0)
    #expect(try agent.subsystem("svc").state == .stopped)
    #expect(try agent.inspect("svc").processes == [])
    let left = try Command.run(["pgrep", "-f", "sleep \(seconds)"])
    #expect(left.output == "")
  }

  @Test(arguments: TestBackend.available) func `events survive both controllers, in one stream that counts on`(
    backend: TestBackend
  ) throws {
    let agent = try TestAgent(backend)
    try agent.importBusybox()
    _ = try agent.cli("run", "--name", "c1", "bb")
    try agent.eventually("the container's events") { try agent.cli("events", "c1").output.contains("available") }
    let before = try agent.call(EventMethods.list, .init(), node: true)
    try agent.killNodeController()
    _ = try agent.call(ContainerMethods.kill, .init(name: "c1", signal: "KILL"))
    try agent.startDaemon()
    try agent.eventually("what happened meanwhile") {
      try agent.call(EventMethods.list, .init(names: ["c1"]), node: true).last?.event == "stopped"
    }
    let after = try agent.call(EventMethods.list, .init(), node: true)
    #expect(after.prefix(before.count) == before[...])
    #expect(after.map(\.sequence) == (1...UInt64(after.count)).map { $0 })
    #expect(Set(after.map(\.source)).isSuperset(of: ["node-controller", "container-controller"]))
    #expect(try agent.cli("events", "--kind", "container", "--json").output.split(separator: "\n").count >= 4)
  }
}

/// What a thread leaves for its test.
private final class PlanBox: Sendable {
  let plan = Mutex<SubsystemPlan?>(nil)
}

extension TestAgent {
  /// Writes a unit file.
  func unit(_ name: String, _ text: String) throws {
    try FileSystem.makeDirectories(instance.subsystemUnits, mode: 0o755)
    try FileSystem.replace("\(instance.subsystemUnits)/\(name).yaml", with: Array("\(text)\n".utf8), mode: 0o644)
  }

  func subsystem(_ name: String) throws -> SubsystemView {
    try #require(try call(SubsystemMethods.list, .init(names: [name]), node: true).first)
  }

  func inspect(_ name: String) throws -> SubsystemDetails {
    try call(SubsystemMethods.inspect, .init(name: name), node: true)
  }

  func lines(_ path: String) throws -> [String] {
    try FileSystem.readText(path).split(separator: "\n").map(String.init)
  }

  func lines(of name: String) throws -> [String] {
    try cli("logs", name).output.split(separator: "\n").map(String.init)
  }

  /// A program that says READY=1 after so many seconds, then WATCHDOG=1 at every interval.
  func notifier() throws {
    try FileSystem.replace(
      "\(root)/notify.pl",
      with: Array(
        """
        use Socket;
        my ($wait, $every) = @ARGV;
        my $name = $ENV{NOTIFY_SOCKET}; $name =~ s/^@/\\0/;
        socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die;
        sub tell_it { send($s, $_[0], 0, pack_sockaddr_un($name)) or die "send: $!" }
        select(undef, undef, undef, $wait);
        tell_it("READY=1\\nSTATUS=at work");
        while (1) { select(undef, undef, undef, $every); tell_it("WATCHDOG=1") }
        """.utf8), mode: 0o644)
  }

  /// A program that answers each caller of its first socket with the socket's name, their number, and its pid when that
  /// is what LISTEN_PID says.
  func listener() throws {
    try FileSystem.replace(
      "\(root)/listen.pl",
      with: Array(
        """
        die "LISTEN_PID is $ENV{LISTEN_PID}" if $ENV{LISTEN_PID} != $$;
        open(my $l, "+<&=3") or die "$!";
        while (accept(my $c, $l)) { syswrite($c, "$ENV{LISTEN_FDNAMES} $ENV{LISTEN_FDS} $$\\n"); close($c) }
        """.utf8), mode: 0o644)
  }
}
