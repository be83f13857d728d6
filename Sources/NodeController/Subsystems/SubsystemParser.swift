// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import HealthChecks
import LinuxKernel

/// Reads a unit file into a ``SubsystemSpec``; docs/subsystems.md describes the format.
enum SubsystemParser {
  static let keys = [
    "name", "about", "command", "unit", "requires", "wants", "after", "start", "user", "group", "directory",
    "environment", "capabilities", "readiness", "ready-timeout", "stop", "reload", "restart", "watchdog", "limits",
    "sockets", "log", "checks", "identity",
  ]
  /// What systemd decides for a unit of its own.
  private static let keysOfUnits = [
    "name", "about", "unit", "requires", "wants", "after", "start", "ready-timeout", "checks",
  ]

  /// - Parameters:
  ///   - name: what the file is called, without `.yaml`.
  ///   - file: for messages.
  /// - Throws: ``DescriptorProblem`` with file, line, key, and what is allowed.
  static func parse(_ text: String, name: String, file: String) throws(DescriptorProblem) -> SubsystemSpec {
    let root = try DescriptorNode(file: file, text: text)
    let members = try root.members(keys)
    if let problem = ContainerSpec.problem(withName: name) { throw root.problem("the file's name \(problem)") }
    var spec = SubsystemSpec(name: name)
    if let member = members["name"], try member.text() != name {
      throw member.problem("must be \(name), as the file is called, or be left out")
    }
    if let member = members["about"] { spec.about = try member.text() }
    switch (members["command"], members["unit"]) {
    case (let command?, nil): spec.command = try self.command(command)
    case (nil, let unit?):
      let text = try unit.text()
      guard text.hasSuffix(".service"), !text.contains("/") else {
        throw unit.problem("must be a service of systemd, such as redis-server.service")
      }
      spec.unit = text
      for (key, member) in members where !keysOfUnits.contains(key) {
        throw member.problem("is decided by the unit \(text) itself; change it with systemctl edit \(text)")
      }
    case (let command?, .some): throw command.problem("and unit exclude each other")
    case (nil, nil):
      throw DescriptorProblem(file: file, line: 1, key: "command", text: "is missing; command or unit is required")
    }
    if let member = members["requires"] { spec.requires = try names(member) }
    if let member = members["wants"] { spec.wants = try names(member) }
    if let member = members["after"] { spec.after = try names(member) }
    if let member = members["start"] { spec.start = try member.choice(SubsystemSpec.Start.self) }
    if let member = members["user"] { spec.user = try member.text() }
    if let member = members["group"] { spec.group = try member.text() }
    if let member = members["directory"] { spec.directory = try member.absolutePath() }
    if let member = members["environment"] { spec.environment = try environment(member) }
    if let member = members["capabilities"] { spec.capabilities = try capabilities(member) }
    if let member = members["readiness"] { spec.readiness = try member.choice(SubsystemSpec.Readiness.self) }
    if let member = members["ready-timeout"] { spec.readyTimeout = try member.milliseconds() }
    if let member = members["stop"] { try stop(member, &spec) }
    if let member = members["reload"] { spec.reload = try reload(member) }
    if let member = members["restart"] { spec.restart = try restart(member) }
    if let member = members["watchdog"] { spec.watchdog = try atLeast(100, member) }
    if let member = members["limits"] { spec.limits = try limits(member) }
    if let member = members["sockets"] { spec.sockets = try sockets(member) }
    if let member = members["checks"] { spec.checks = try HealthCheckParser.parse(member, of: .subsystem) }
    if let member = members["identity"] { spec.identity = try identity(member) }
    if let member = members["log"] { spec.log = try log(member) }
    if spec.start == .socket, spec.sockets.isEmpty {
      throw DescriptorProblem(file: file, line: 1, key: "start", text: "socket needs at least one of sockets")
    }
    if spec.readiness == .exited, spec.watchdog != nil {
      throw DescriptorProblem(
        file: file, line: 1, key: "watchdog", text: "is for daemons; readiness: exited makes this a task")
    }
    return spec
  }

  private static func atLeast(_ least: Int64, _ node: DescriptorNode) throws(DescriptorProblem) -> Int64 {
    let value = try node.milliseconds()
    guard value >= least else { throw node.problem("must be at least \(least)ms") }
    return value
  }

  private static func command(_ node: DescriptorNode) throws(DescriptorProblem) -> [String] {
    var words: [String] = []
    for element in try node.elements() { words.append(try element.text()) }
    guard let first = words.first, first.hasPrefix("/") else {
      throw node.problem("must be a list whose first element is the program's absolute path, such as [/bin/sleep, 60]")
    }
    return words
  }

  private static func names(_ node: DescriptorNode) throws(DescriptorProblem) -> [String] {
    var names: [String] = []
    for element in try node.elements() {
      let name = try element.text()
      if ContainerSpec.problem(withName: name) != nil { throw element.problem("is no name of a sub-system") }
      names.append(name)
    }
    return names
  }

  private static func environment(_ node: DescriptorNode) throws(DescriptorProblem) -> [String: String] {
    var result: [String: String] = [:]
    for (name, member) in try node.members() {
      guard !name.isEmpty, !name.contains("=") else { throw member.problem("is no name for a variable") }
      result[name] = try member.text()
    }
    return result
  }

  private static func capabilities(_ node: DescriptorNode) throws(DescriptorProblem) -> [String] {
    var result: [String] = []
    for element in try node.elements() {
      let name = try element.text()
      guard CapabilitySet(name: name) != nil else { throw element.problem("is no capability of capabilities(7)") }
      result.append(name)
    }
    return result
  }

  private static func signal(_ node: DescriptorNode) throws(DescriptorProblem) -> Int32 {
    guard let number = SignalNames.number(try node.text()) else {
      throw node.problem("must be a signal such as TERM or HUP")
    }
    return number
  }

  private static func stop(_ node: DescriptorNode, _ spec: inout SubsystemSpec) throws(DescriptorProblem) {
    let members = try node.members(["signal", "timeout"])
    if let member = members["signal"] { spec.stopSignal = try signal(member) }
    if let member = members["timeout"] { spec.stopTimeout = try member.milliseconds() }
  }

  private static func reload(_ node: DescriptorNode) throws(DescriptorProblem) -> SubsystemSpec.Reload {
    let members = try node.members(["signal", "command"])
    guard members.count == 1 else { throw node.problem("takes either signal or command") }
    if let member = members["signal"] { return .init(signal: try signal(member)) }
    guard let member = members["command"] else { throw node.problem("takes either signal or command") }
    return .init(command: try command(member))
  }

  private static func identity(_ node: DescriptorNode) throws(DescriptorProblem) -> SubsystemSpec.Identity? {
    if node.isScalar { return try node.boolean() ? .init() : nil }
    let members = try node.members(["key", "life", "renewal"])
    var identity = SubsystemSpec.Identity()
    identity.key = try members["key"]?.keyKind()
    identity.life = try members["life"]?.certificateLife()
    if let member = members["renewal"] { identity.renewal = try reload(member) }
    return identity
  }

  private static func restart(_ node: DescriptorNode) throws(DescriptorProblem) -> SubsystemSpec.Restart {
    var restart = SubsystemSpec.Restart()
    if node.isScalar {
      restart.condition = try node.choice(SubsystemSpec.Restart.Condition.self)
      return restart
    }
    let members = try node.members(["policy", "delay", "max-delay", "burst", "interval"])
    if let member = members["policy"] { restart.condition = try member.choice(SubsystemSpec.Restart.Condition.self) }
    if let member = members["delay"] { restart.delay = try atLeast(1, member) }
    if let member = members["max-delay"] { restart.maximumDelay = try member.milliseconds() }
    if let member = members["burst"] { restart.burst = Int(try member.number(0...10_000)) }
    if let member = members["interval"] { restart.interval = try atLeast(1, member) }
    if restart.maximumDelay < restart.delay { throw node.problem("max-delay must not be less than delay") }
    return restart
  }

  private static func limits(_ node: DescriptorNode) throws(DescriptorProblem) -> SubsystemSpec.Limits {
    let members = try node.members(["memory", "cpu", "pids", "files", "core"])
    var limits = SubsystemSpec.Limits()
    if let member = members["memory"] { limits.memory = try member.bytes() }
    if let member = members["cpu"] {
      guard let value = Quantity.cpuMilli(try member.text()) else {
        throw member.problem("must be a number of processors such as 0.5")
      }
      limits.cpuMilli = value
    }
    if let member = members["pids"] { limits.pids = try member.number(1...4_194_304) }
    if let member = members["files"] { limits.files = try member.number(8...1_073_741_816) }
    if let member = members["core"] { limits.core = try member.bytes() }
    return limits
  }

  private static func sockets(_ node: DescriptorNode) throws(DescriptorProblem) -> [SubsystemSpec.Socket] {
    var sockets: [SubsystemSpec.Socket] = []
    for element in try node.elements() {
      let members = try element.members(["name", "listen", "mode", "user", "group"])
      guard let listen = members["listen"] else { throw element.problem("needs listen") }
      let address = try listen.text()
      guard ListenAddress(address) != nil else {
        throw listen.problem("must be tcp://ADDRESS:PORT, udp://ADDRESS:PORT or unix:///PATH; addresses are numbers")
      }
      var socket = SubsystemSpec.Socket(name: "socket\(sockets.count)", listen: address)
      if let member = members["name"] {
        let name = try member.text()
        guard ContainerSpec.problem(withName: name) == nil else { throw member.problem("must be a name") }
        socket.name = name
      }
      if let member = members["mode"] {
        guard let mode = UInt32(try member.text(), radix: 8), mode <= 0o777 else {
          throw member.problem("must be an octal mode such as 0660")
        }
        socket.mode = mode
      }
      if let member = members["user"] { socket.user = try member.text() }
      if let member = members["group"] { socket.group = try member.text() }
      sockets.append(socket)
    }
    guard sockets.count <= 16 else { throw node.problem("can be at most 16") }
    return sockets
  }

  private static func log(_ node: DescriptorNode) throws(DescriptorProblem) -> SubsystemSpec.Log {
    let members = try node.members(["size", "segments"])
    var log = SubsystemSpec.Log()
    if let member = members["size"] { log.size = max(4096, try member.bytes()) }
    if let member = members["segments"] { log.segments = UInt32(try member.number(1...1000)) }
    return log
  }
}
