// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Glibc
import HealthChecks
import LinuxKernel

/// Reads `bundle.yaml` into a ``BundleDescriptor``; docs/bundle.md describes the format.
public enum DescriptorParser {
  public static let fileName = "bundle.yaml"
  static let keys = [
    "name", "version", "command", "environment", "user", "directory", "hostname", "resources", "capabilities",
    "endpoints", "mounts", "network", "read-only", "readiness", "restart", "stop", "log", "checks", "identity",
  ]

  /// - Throws: ``DescriptorProblem`` with file, line, key, and what is allowed.
  public static func parse(_ text: String, file: String = fileName) throws(DescriptorProblem) -> BundleDescriptor {
    let root = try DescriptorNode(file: file, text: text)
    let members = try root.members(keys)
    func required(_ name: String) throws(DescriptorProblem) -> DescriptorNode {
      guard let member = members[name] else {
        throw DescriptorProblem(
          file: file, line: 1, key: name, text: "is missing; name, version and command are required")
      }
      return member
    }
    let name = try word(try required("name"), most: 63)
    let version = try word(try required("version"), most: 63)
    var descriptor = BundleDescriptor(name: name, version: version, command: try command(try required("command")))
    if let member = members["environment"] { descriptor.environment = try environment(member) }
    if let member = members["user"] {
      guard let user = BundleDescriptor.User(try member.text()) else {
        throw member.problem("must be UID or UID:GID, decimal numbers from 0 to 65535 (names are not looked up)")
      }
      descriptor.user = user
    }
    if let member = members["directory"] { descriptor.directory = try member.absolutePath() }
    if let member = members["hostname"] { descriptor.hostname = try word(member, most: 63) }
    if let member = members["resources"] { try resources(member, &descriptor) }
    if let member = members["capabilities"] { descriptor.capabilities = try capabilities(member) }
    if let member = members["endpoints"] { descriptor.endpoints = try endpoints(member) }
    if let member = members["mounts"] { descriptor.mounts = try mounts(member) }
    if let member = members["network"] { descriptor.network = try member.choice(NetworkMode.self) }
    if let member = members["read-only"] { descriptor.readOnly = try member.boolean() }
    if let member = members["readiness"] { descriptor.readiness = try member.choice(BundleDescriptor.Readiness.self) }
    if let member = members["restart"] { descriptor.restart = try restart(member) }
    if let member = members["stop"] { descriptor.stop = try stop(member) }
    if let member = members["log"] { descriptor.log = try log(member) }
    if let member = members["checks"] { descriptor.checks = try HealthCheckParser.parse(member, of: .container) }
    if let member = members["identity"] { descriptor.identity = try identity(member) }
    return descriptor
  }

  private static func identity(_ node: DescriptorNode) throws(DescriptorProblem) -> BundleDescriptor.Identity? {
    if node.isScalar { return try node.boolean() ? .init() : nil }
    let members = try node.members(["key", "life", "files", "renewal"])
    var identity = BundleDescriptor.Identity()
    identity.key = try members["key"]?.keyKind()
    identity.life = try members["life"]?.certificateLife()
    if let member = members["files"] { identity.files = try identityFiles(member) }
    if let member = members["renewal"] { identity.renewal = try renewal(member) }
    return identity
  }

  private static func identityFiles(_ node: DescriptorNode) throws(DescriptorProblem) -> String? {
    let text = try node.text()
    if text == "true" || text == "false" { return text == "true" ? BundleDescriptor.Identity.usualDirectory : nil }
    let path = try node.absolutePath()
    if let problem = BundleDescriptor.Identity.problem(withFiles: path) { throw node.problem(problem) }
    return path
  }

  private static func renewal(_ node: DescriptorNode) throws(DescriptorProblem) -> BundleDescriptor.Identity.Renewal {
    let members = try node.members(["signal", "command"])
    switch (members["signal"], members["command"]) {
    case (let member?, nil):
      guard let number = SignalNames.number(try member.text()) else {
        throw member.problem("must be a signal such as SIGHUP, or its number")
      }
      return .signal(number)
    case (nil, let member?): return .command(try command(member))
    default: throw node.problem("must have either signal or command")
    }
  }

  /// Names and versions: they become parts of references and host names.
  private static func word(_ node: DescriptorNode, most: Int) throws(DescriptorProblem) -> String {
    let text = try node.text()
    if text.utf8.count > most || ContainerSpec.problem(withName: text) != nil {
      throw node.problem("must be 1 to \(most) of a-z A-Z 0-9 . _ -, beginning with a letter or digit")
    }
    return text
  }

  private static func command(_ node: DescriptorNode) throws(DescriptorProblem) -> [String] {
    var words: [String] = []
    for element in try node.elements() { words.append(try element.text()) }
    guard let first = words.first, !first.isEmpty else {
      throw node.problem("must be a list whose first element is the program, such as [/bin/httpd, -f]")
    }
    return words
  }

  private static func environment(_ node: DescriptorNode) throws(DescriptorProblem) -> [String: String] {
    var result: [String: String] = [:]
    for (name, member) in try node.members() {
      guard !name.isEmpty, !name.contains("=") else { throw member.problem("is no name for a variable") }
      result[name] = try member.text()
    }
    return result
  }

  private static func resources(_ node: DescriptorNode, _ descriptor: inout BundleDescriptor) throws(DescriptorProblem)
  {
    let members = try node.members([
      "memory", "swap", "cpu", "cpu-weight", "pids", "tmpfs", "rlimits", "receive", "send",
    ])
    if let member = members["memory"] {
      let memory = try member.bytes()
      guard memory >= 1 << 20 else { throw member.problem("must be at least 1MiB") }
      descriptor.resources.memory = memory
    }
    descriptor.resources.swap = try members["swap"]?.bytes() ?? (descriptor.resources.memory == nil ? nil : 0)
    if let member = members["cpu"] {
      guard let milli = Quantity.cpuMilli(try member.text()) else {
        throw member.problem("must be a number of processors from 0.01 to 1000, such as 0.5")
      }
      descriptor.resources.cpuMilli = milli
    }
    descriptor.resources.cpuWeight = try members["cpu-weight"]?.number(1...10_000)
    descriptor.resources.pids = try members["pids"]?.number(1...4_194_304)
    descriptor.resources.tmpfs = try members["tmpfs"]?.bytes()
    descriptor.resources.receiveRate = try members["receive"].map(bandwidth)
    descriptor.resources.sendRate = try members["send"].map(bandwidth)
    if let member = members["rlimits"] {
      for (name, limit) in try member.members(ResourceLimits.names) {
        descriptor.rlimits[name] = try limit.number(0...(1 << 62))
      }
    }
  }

  private static func bandwidth(_ node: DescriptorNode) throws(DescriptorProblem) -> UInt64 {
    guard let rate = Quantity.bitRate(try node.text()), BandwidthLimits.range.contains(rate) else {
      throw node.problem("must be a rate from 8kbit to 16Gbit, such as 10Mbit")
    }
    return rate
  }

  private static func capabilities(_ node: DescriptorNode) throws(DescriptorProblem) -> [String] {
    var names: [String] = []
    for element in try node.elements() {
      let name = try element.text()
      guard let set = CapabilitySet(name: name) else {
        throw element.problem("is no capability; capabilities(7) lists them, for example NET_BIND_SERVICE")
      }
      names += set.memberNames
    }
    return names
  }

  private static func endpoints(_ node: DescriptorNode) throws(DescriptorProblem) -> [BundleDescriptor.Endpoint] {
    var found: [BundleDescriptor.Endpoint] = []
    for element in try node.elements() {
      let members = try element.members(["name", "protocol", "port", "scope", "publish", "rate", "per-source"])
      guard let name = members["name"], let port = members["port"] else {
        throw element.problem("needs name and port; it takes name, protocol, port, scope, publish, rate, per-source")
      }
      let text = try word(name, most: 63)
      if found.contains(where: { $0.name == text }) { throw name.problem("names two endpoints") }
      let ports = try range(port)
      let publish = try members["publish"].map { member throws(DescriptorProblem) in
        UInt16(try member.number(0...65535))
      }
      if let publish, publish > 0, Int(publish) + ports.count > 65536, let member = members["publish"] {
        throw member.problem("must leave room for \(ports.count) ports below 65536")
      }
      var endpoint = BundleDescriptor.Endpoint(
        name: text, proto: try members["protocol"]?.choice(BundleDescriptor.Endpoint.Proto.self) ?? .tcp,
        port: ports.lowerBound,
        scope: try members["scope"]?.choice(BundleDescriptor.Endpoint.Scope.self) ?? .node,
        publish: publish, count: ports.count == 1 ? nil : UInt16(ports.count))
      endpoint.rate = try members["rate"].map(rate)
      endpoint.ratePerSource = try members["per-source"].map(rate)
      found.append(endpoint)
    }
    return found
  }

  private static func rate(_ node: DescriptorNode) throws(DescriptorProblem) -> PacketRate {
    guard let rate = PacketRate(try node.text()) else {
      throw node.problem("must be a number from 1 to 1000000 a second, minute, hour or day, such as 10/minute")
    }
    return rate
  }

  /// `80`, or `5000-5010`.
  private static func range(_ node: DescriptorNode) throws(DescriptorProblem) -> ClosedRange<UInt16> {
    let ends = try node.text().split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
    guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first > 0, first <= last,
      Int(last) - Int(first) < BundleDescriptor.Endpoint.mostPorts
    else {
      throw node.problem(
        "must be a port from 1 to 65535, or at most \(BundleDescriptor.Endpoint.mostPorts) of them, such as 5000-5010")
    }
    return first...last
  }

  /// Where the agent's own mounts are; nothing of a bundle may take their place (CVE-2019-16884).
  private static let reserved = ["/proc", "/sys", "/dev"]

  private static func mounts(_ node: DescriptorNode) throws(DescriptorProblem) -> [BundleDescriptor.Mount] {
    var found: [BundleDescriptor.Mount] = []
    for element in try node.elements() {
      let members = try element.members(["type", "target", "size", "mode"])
      if let type = members["type"], try type.text() != "tmpfs" { throw type.problem("must be tmpfs") }
      guard let target = members["target"], let size = members["size"] else {
        throw element.problem("needs target and size; it takes type, target, size, mode")
      }
      let path = try target.absolutePath()
      guard path != "/", !reserved.contains(where: { path == $0 || path.hasPrefix("\($0)/") }) else {
        throw target.problem("must not be / or below \(reserved.joined(separator: ", "))")
      }
      var mode: UInt32 = 0o755
      if let member = members["mode"] {
        let text = try member.text()
        guard let number = UInt32(text, radix: 8), number <= 0o1777 else {
          throw member.problem("must be octal, such as \"1777\"")
        }
        mode = number
      }
      found.append(.init(target: path, size: try size.bytes(), mode: mode))
    }
    return found
  }

  private static func restart(_ node: DescriptorNode) throws(DescriptorProblem) -> RestartPolicy {
    if node.isScalar { return RestartPolicy(try node.choice(RestartPolicy.Condition.self)) }
    let members = try node.members(["policy", "limit"])
    guard let policy = members["policy"] else { throw node.problem("needs policy; it takes policy, limit") }
    return RestartPolicy(
      try policy.choice(RestartPolicy.Condition.self),
      limit: try members["limit"].map { member throws(DescriptorProblem) in Int(try member.number(1...1_000_000)) })
  }

  private static func stop(_ node: DescriptorNode) throws(DescriptorProblem) -> BundleDescriptor.Stop {
    let members = try node.members(["signal", "timeout"])
    var stop = BundleDescriptor.Stop(signal: SIGTERM, timeoutMilliseconds: 10_000)
    if let member = members["signal"] {
      guard let number = SignalNames.number(try member.text()) else {
        throw member.problem("must be a signal such as SIGTERM, or its number")
      }
      stop.signal = number
    }
    if let member = members["timeout"] { stop.timeoutMilliseconds = try member.milliseconds() }
    return stop
  }

  private static func log(_ node: DescriptorNode) throws(DescriptorProblem) -> BundleDescriptor.Log {
    let members = try node.members(["segment", "segments"])
    var log = BundleDescriptor.Log(segmentBytes: 8 << 20, segments: 4)
    if let member = members["segment"] {
      let bytes = try member.bytes()
      guard (64 << 10...1 << 30).contains(bytes) else { throw member.problem("must be from 64KiB to 1GiB") }
      log.segmentBytes = bytes
    }
    if let member = members["segments"] { log.segments = UInt32(try member.number(1...1000)) }
    return log
  }
}
