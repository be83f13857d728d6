// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Who starts the agent under test, and with it who runs its sub-systems.
enum TestBackend: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case builtIn, systemd
  var testDescription: String { rawValue }

  /// Both where systemd has booted the machine, or those that the environment names.
  static let available: [TestBackend] = {
    if let named = getenv("NODEAGENT_TEST_BACKENDS") {
      return String(cString: named).split(separator: ",").compactMap { TestBackend(rawValue: String($0)) }
    }
    return access("/run/systemd/system", F_OK) == 0 ? [.builtIn, .systemd] : [.builtIn]
  }()
}

/// An agent in a root and a network namespace of its own; it ends, and its files go, with the value.
final class TestAgent {
  let root: String
  let instance: Instance
  private var daemon: SpawnedProcess?
  private var groups: [String] = []
  private var isDown = false
  let backend: TestBackend
  let programs: String

  /// - Parameter programs: where the programs under test are; only those of a debug build have fault points.
  init(_ backend: TestBackend = .builtIn, programs: String = Host.programs) throws {
    self.backend = backend
    self.programs = programs
    try TestCgroup.settle()
    var template = Array("/tmp/nodeagent-host-XXXXXX".utf8CString)
    root = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
    // Containers pass through on their way to their own directories.
    chmod(root, 0o755)
    instance = Instance(root: root)
    try startDaemon()
  }

  deinit {
    // A test that gave up while the node controller was dead: what runs still has to end.
    if !isDown, daemon == nil, service == nil { try? startDaemon() }
    endDaemon(keepContainers: false)
    for group in groups { try? TestCgroup.remove(group) }
    try? FileSystem.removeTree(root)
  }

  // MARK: - The daemons

  private var logFile: String { "\(root)/agent.log" }
  /// What the controllers and the certificate manager have said.
  var log: String {
    let others = ["container-controller", "cert-manager"].map { "\(instance.subsystemState)/\($0)/log.000001" }
    return ([logFile] + others).map { (try? FileSystem.readText($0, limit: 64 << 20)) ?? "" }.joined()
  }

  /// Starts the node controller; the first one makes the network namespace that later ones enter.
  func startDaemon() throws {
    isDown = false
    if backend == .systemd { return try startService() }
    let log = SharedDescriptor(try FileSystem.open(logFile, flags: O_WRONLY | O_APPEND | O_CREAT, mode: 0o600))
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    let pipe = try Pipe()
    let daemon = "\(programs)/nodeagent node-controller --root \(root) --ready-descriptor 3"
    let enter = namespaceHolder.map { "exec nsenter --net=/proc/\($0.pidfd.pid)/ns/net \(daemon)" }
    if enter == nil { try makeNamespace() }
    var request = SpawnRequest(
      .path("/bin/sh"),
      arguments: ["sh", "-c", enter ?? "exec nsenter --net=/proc/\(namespaceHolder?.pidfd.pid ?? 0)/ns/net \(daemon)"],
      environment: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
    request.descriptors = [(null, 0), (log, 1), (log, 2), (pipe.writing, 3)]
    request.newSession = true
    let group = try TestCgroup.make()
    let entrance = try group.map { SharedDescriptor(try FileSystem.open($0, flags: O_RDONLY | O_DIRECTORY)) }
    if let group, let entrance {
      request.cgroup = entrance.raw
      groups.append(group)
    }
    defer { withExtendedLifetime(entrance) {} }
    let child = try request.start()
    self.daemon = child
    if let failure = try SpawnFailure.read(from: child.report) { throw Command.Failure(description: "\(failure)") }
    var poll = PollSet()
    let answer = poll.add(pipe.reading.raw)
    poll.add(child.pidfd.descriptor.raw)
    _ = try poll.wait(milliseconds: 60_000)
    guard poll.isReadable(answer) else { throw Command.Failure(description: "the agent did not start: \(self.log)") }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try FileSystem.read(pipe.reading.raw, into: &bytes)
    let text = String(decoding: bytes.prefix(count), as: UTF8.self)
    guard text == "ok" else { throw Command.Failure(description: "the agent did not start: \(text)\n\(self.log)") }
  }

  private var service: HeldProcess?
  private var unit: String { "nodeagent-test-\(instance.id).service" }

  /// As a service of systemd, which returns once it says that it is ready.
  private func startService() throws {
    if namespaceHolder == nil { try makeNamespace() }
    let result = try Command.run(
      [
        "systemd-run", "--quiet", "--collect", "--unit=\(unit)", "--service-type=notify",
        "--property=NetworkNamespacePath=/proc/\(namespaceHolder?.pidfd.pid ?? 0)/ns/net",
        "--property=StandardOutput=append:\(logFile)", "--property=StandardError=append:\(logFile)",
        "--property=KillMode=mixed", "\(programs)/nodeagent", "node-controller", "--root", root,
      ], seconds: 120)
    guard result.code == 0 else { throw Command.Failure(description: "the agent did not start: \(result)\n\(log)") }
    let pid = try Command.run(["systemctl", "show", "--property=MainPID", "--value", unit]).output
    service = try HeldProcess(opening: Int32(pid.filter(\.isNumber)) ?? -1)
  }

  private var namespaceHolder: SpawnedProcess?

  /// Joins this agent's network with another's by a link; each has its end under the same name.
  func link(to other: TestAgent, name: String, near: [String], far: [String]) throws {
    let peer = "\(other.namespaceHolder?.pidfd.pid ?? 0)"
    let made = try inside(["ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", peer])
    guard made.code == 0 else { throw Command.Failure(description: "\(made)") }
    for (agent, addresses) in [(self, near), (other, far)] {
      for address in addresses {
        let added = try agent.inside(
          ["ip", "addr", "add", address, "dev", name] + (address.contains(":") ? ["nodad"] : []))
        guard added.code == 0 else { throw Command.Failure(description: "\(added)") }
      }
      _ = try agent.inside(["ip", "link", "set", name, "up"])
    }
  }

  private func makeNamespace() throws {
    var request = SpawnRequest(
      .path("/bin/sh"), arguments: ["sh", "-c", "ip link set lo up && exec sleep 100000"],
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    request.namespaces = .network
    request.dieWithParent = false
    let child = try request.start()
    namespaceHolder = child
    if let failure = try SpawnFailure.read(from: child.report) { throw Command.Failure(description: "\(failure)") }
    usleep(50_000)
  }

  var nodeControllerPID: Int32 { (try? call(NodeMethods.info, node: true).pid) ?? -1 }

  var containerControllerPID: Int32 { subsystemPID("container-controller") }

  /// As the node controller has recorded it, so that it can be asked for while that is dead. One that is just being
  /// started is waited for; -1 for none.
  func subsystemPID(_ name: String) -> Int32 {
    let deadline = Clock.monotonicNanoseconds() + UInt64(10 * Host.patience * 1e9)
    repeat {
      let record = (try? FileSystem.read("\(instance.subsystemRun)/\(name)/record.json"))
        .flatMap { try? JSONCoding.decode(JSONValue.self, from: $0) }
      if let pid = record?["pid"]?.integerValue, pid > 0 { return Int32(pid) }
      usleep(5000)
    } while Clock.monotonicNanoseconds() < deadline
    return -1
  }

  /// Ends the node controller as `kill -9` does.
  func killNodeController() throws {
    if let service {
      try service.signal(SIGKILL)
      _ = try service.pidfd.waitForEnd(milliseconds: 10_000)
      self.service = nil
      try eventually("systemd has noticed") { try Command.run(["systemctl", "is-active", unit]).code != 0 }
    }
    try daemon?.pidfd.signal(SIGKILL)
    _ = try daemon?.pidfd.reap(wait: true)
    daemon = nil
  }

  /// Ends the container controller as `kill -9` does, and waits until its successor answers.
  func killContainerController() throws {
    let pid = containerControllerPID
    let process = try Pidfd(opening: pid)
    try process.signal(SIGKILL)
    _ = try process.waitForEnd(milliseconds: 10_000)
    try waitForContainerController(after: pid)
  }

  func waitForContainerController(after pid: Int32) throws {
    try eventually("a new container controller") { containerControllerPID > 0 && containerControllerPID != pid }
    _ = try call(ContainerMethods.list, .init())
  }

  func endDaemon(keepContainers: Bool) {
    if let service {
      _ = try? node().call(NodeMethods.shutdown, .init(keepContainers: keepContainers))
      if (try? service.pidfd.waitForEnd(milliseconds: 60_000)) != true { _ = try? service.signal(SIGKILL) }
      self.service = nil
    }
    if let daemon {
      _ = try? node().call(NodeMethods.shutdown, .init(keepContainers: keepContainers))
      if (try? daemon.pidfd.waitForEnd(milliseconds: 30_000)) != true { try? daemon.pidfd.signal(SIGKILL) }
      _ = try? daemon.pidfd.reap(wait: true)
      self.daemon = nil
    }
    isDown = !keepContainers
    if !keepContainers, let holder = namespaceHolder {
      try? holder.pidfd.signal(SIGKILL)
      _ = try? holder.pidfd.reap(wait: true)
      namespaceHolder = nil
    }
  }

  /// By which the kernel's upcalls find it.
  var number: String {
    get throws {
      let claims = "/run/lock/nodeagent"
      let found = try FileSystem.names(in: claims).first { name in
        (try? FileSystem.readText("\(claims)/\(name)", limit: 4096))?.split(separator: "\n").first == root[...]
      }
      guard let found else { throw Command.Failure(description: "no claim is of \(root)") }
      return found
    }
  }

  // MARK: - Talking to it

  func containers() throws -> RPCClient { try RPCClient(path: instance.containerSocket) }
  func metrics() throws -> RPCClient { try RPCClient(path: instance.metricsSocket) }
  func certificates() throws -> RPCClient { try RPCClient(path: instance.certificateSocket) }
  func node() throws -> RPCClient { try RPCClient(path: instance.nodeSocket) }

  func call<Params, Result>(_ method: Method<Params, Result>, _ params: Params, node: Bool = false) throws -> Result {
    try (node ? self.node() : containers()).call(method, params, deadline: 60_000)
  }

  func call<Result>(_ method: Method<Empty, Result>, node: Bool = false) throws -> Result {
    try call(method, Empty(), node: node)
  }

  /// Runs a verb of the command line, inside the agent's network namespace.
  func cli(_ arguments: String..., input: String = "", seconds: Int32 = 60) throws -> Command {
    try cliList(arguments, input: input, seconds: seconds)
  }

  func cliList(_ arguments: [String], input: String = "", seconds: Int32 = 60) throws -> Command {
    try inside(["\(programs)/nodeagent"] + arguments, input: input, seconds: seconds)
  }

  /// Runs any program inside the agent's network namespace.
  func inside(_ arguments: [String], input: String = "", seconds: Int32 = 60) throws -> Command {
    try Command.run(
      ["nsenter", "--net=/proc/\(namespaceHolder?.pidfd.pid ?? 0)/ns/net"] + arguments, input: input,
      environment: ["NODEAGENT_ROOT=\(root)"], seconds: seconds)
  }

  // MARK: - Bundles

  /// Imports a bundle of busybox; `lines` are added to its descriptor. Returns its name.
  @discardableResult
  func importBusybox(
    name: String = "bb", command: String = "[/bin/sleep, \"1000\"]", _ lines: String = "",
    change: (String) throws -> Void = { _ in }
  ) throws -> String {
    let folder = "\(root)/bundle-\(name)"
    try Self.makeBusybox(folder, name: name, command: command, lines)
    try change("\(folder)/rootfs")
    let result = try cli("bundle", "import", "-q", folder)
    guard result.code == 0 else { throw Command.Failure(description: "import: \(result)\n\(log.suffix(3000))") }
    return name
  }

  static func makeBusybox(_ folder: String, name: String, command: String, _ lines: String = "") throws {
    for directory in ["", "/rootfs", "/rootfs/bin", "/rootfs/etc", "/rootfs/proc", "/rootfs/data"] {
      mkdir(folder + directory, 0o755)
    }
    let busybox = try FileSystem.read(Host.busybox ?? "/bin/busybox", limit: 16 << 20)
    try FileSystem.replace("\(folder)/rootfs/bin/busybox", with: busybox, mode: 0o755)
    for applet in [
      "sh", "sleep", "cat", "ls", "id", "true", "false", "echo", "mount", "dd", "nc", "httpd", "stat", "readlink",
      "grep", "head", "mkdir", "touch", "ln", "rm", "kill", "ps", "env", "wc", "seq", "tr", "chmod", "mknod", "ip",
      "pwd", "hostname", "umount", "yes", "sync", "cmp", "tail", "mv",
    ] { symlink("busybox", "\(folder)/rootfs/bin/\(applet)") }
    chmod("\(folder)/rootfs", 0o755)
    try FileSystem.replace(
      "\(folder)/bundle.yaml",
      with: Array("name: \(name)\nversion: \"1\"\ncommand: \(command)\n\(lines)\n".utf8), mode: 0o644)
  }

  /// Runs a script in a container of its own and returns what it wrote and how it ended.
  func shell(_ script: String, bundle: String = "bb", _ options: String..., seconds: Int32 = 60) throws -> Command {
    let name = "t\(UInt32.random(in: 0 ... .max))"
    let arguments = ["run", "--attach", "--rm", "--name", name] + options + [bundle, "--", "/bin/sh", "-c", script]
    return try inside(["\(programs)/nodeagent"] + arguments, seconds: seconds)
  }

  // MARK: - Waiting

  func eventually(_ what: String, seconds: Double = 20, _ condition: () throws -> Bool) throws {
    let deadline = Clock.monotonicNanoseconds() + UInt64(seconds * Host.patience * 1e9)
    while try !condition() {
      guard Clock.monotonicNanoseconds() < deadline else {
        throw Command.Failure(description: "\(what) did not come about within \(seconds) s\n\(log.suffix(3000))")
      }
      // Where everything takes longer, asking often is what takes the time.
      usleep(useconds_t(5000 * Host.patience * Host.patience))
    }
  }

  func view(_ name: String) throws -> ContainerView {
    try #require(try call(ContainerMethods.list, .init(names: [name])).first)
  }
}
