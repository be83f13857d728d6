// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import LinuxKernel

/// Reads a list of checks; docs/health.md describes the format.
public enum HealthCheckParser {
  /// Whose checks they are, which decides what can be looked at and done.
  public enum Place: Sendable, Hashable {
    case node, subsystem
    /// A bundle's descriptor: somebody else wrote it, and it names nothing outside of the container.
    case container

    fileprivate var kinds: [String] {
      switch self {
      case .node: ["tcp", "unix", "http", "file", "reach"]
      case .subsystem: ["process", "tcp", "unix", "http", "command", "file", "resources", "reach"]
      case .container: ["process", "tcp", "unix", "http", "command", "file", "resources"]
      }
    }
  }

  private static let kinds = ["process", "tcp", "unix", "http", "command", "file", "resources", "reach"]
  private static let keys =
    kinds + [
      "name", "interval", "timeout", "grace", "rise", "fall", "jitter", "backoff", "actions", "forgive", "arbiter",
    ]

  public static func parse(_ node: DescriptorNode, of place: Place) throws(DescriptorProblem) -> [HealthCheck] {
    var checks: [HealthCheck] = []
    for element in try node.elements() {
      let check = try check(element, place)
      if checks.contains(where: { $0.name == check.name }) {
        throw element.problem("has the name \(check.name), which another check has; give it a name")
      }
      checks.append(check)
    }
    for (index, check) in checks.enumerated() {
      guard let arbiter = check.arbiter else { continue }
      if let other = checks.first(where: { $0.name == arbiter }), other.probe.kind != "reach" {
        throw try node.elements()[index].problem("arbiter must name a check of the kind reach")
      }
    }
    return checks
  }

  private static func check(_ node: DescriptorNode, _ place: Place) throws(DescriptorProblem) -> HealthCheck {
    let members = try node.members(keys)
    let given = kinds.filter { members[$0] != nil }
    guard given.count == 1, let kind = given.first, let member = members[kind] else {
      throw node.problem("needs exactly one of \(place.kinds.joined(separator: ", "))")
    }
    guard place.kinds.contains(kind) else {
      throw member.problem(
        place == .node
          ? "belongs to a sub-system; put the check in its unit file" : "is for the node and its sub-systems")
    }
    var check = HealthCheck(name: kind, probe: try probe(kind, member))
    if place == .container { try Self.check(check.probe, staysInside: member) }
    if let member = members["name"] {
      check.name = try member.text()
      guard ContainerSpec.problem(withName: check.name) == nil else { throw member.problem("must be a name") }
    }
    if let member = members["interval"] { check.interval = try atLeast(100, member) }
    check.timeout = min(5000, check.interval)
    if let member = members["timeout"] { check.timeout = try atLeast(10, member) }
    if let member = members["grace"] { check.grace = try member.milliseconds() }
    if let member = members["rise"] { check.rise = Int(try member.number(1...1000)) }
    if let member = members["fall"] { check.fall = Int(try member.number(1...1000)) }
    if let member = members["jitter"] { check.jitter = Int(try member.number(0...50)) }
    if let member = members["backoff"] { check.backoff = try member.milliseconds() }
    if let member = members["forgive"] { check.forgive = try member.milliseconds() }
    if let member = members["arbiter"] {
      guard place != .container else { throw member.problem("is for the node and its sub-systems") }
      check.arbiter = try member.text()
    }
    if let member = members["actions"] { check.actions = try actions(member, place) }
    return check
  }

  /// What a container's descriptor asks for must not lead out of the container, nor to files of the host.
  private static func check(
    _ probe: HealthCheck.Probe, staysInside node: DescriptorNode
  ) throws(DescriptorProblem) {
    switch probe {
    case .http(let request):
      guard request.authority == nil, request.certificate == nil, request.key == nil, request.redirects == 0 else {
        throw node.problem("takes no ca, certificate, key and redirects in a bundle")
      }
      guard ContainerAddress(request) != nil else {
        throw node.problem("must have an address or localhost as its host: names are not looked up in a container")
      }
    case .tcp(let address):
      guard ContainerAddress(tcp: address) != nil else {
        throw node.problem("must be an address or localhost, and a port: names are not looked up in a container")
      }
    case .resources(let bounds):
      guard bounds.files == nil else { throw node.problem("takes memory, cpu and restarts in a bundle") }
    case .process, .unix, .command, .file, .reach: break
    }
  }

  private static func atLeast(_ least: Int64, _ node: DescriptorNode) throws(DescriptorProblem) -> Int64 {
    let value = try node.milliseconds()
    guard value >= least else { throw node.problem("must be at least \(least)ms") }
    return value
  }

  private static func probe(_ kind: String, _ node: DescriptorNode) throws(DescriptorProblem) -> HealthCheck.Probe {
    switch kind {
    case "process": return .process
    case "tcp": return .tcp(try address(node))
    case "unix": return .unix(try node.absolutePath())
    case "http": return .http(try http(node))
    case "command": return .command(try command(node))
    case "file":
      let members = try node.members(["path", "age"])
      guard let path = members["path"], let age = members["age"] else { throw node.problem("needs path and age") }
      return .file(path: try path.absolutePath(), maximumAge: try age.milliseconds())
    case "resources": return .resources(try bounds(node))
    default:
      let members = try node.members(["addresses", "minimum"])
      guard let list = members["addresses"] else { throw node.problem("needs addresses") }
      var addresses: [String] = []
      for element in try list.elements() { addresses.append(try address(element)) }
      guard !addresses.isEmpty else { throw list.problem("needs at least one") }
      let minimum = try members["minimum"].map { node throws(DescriptorProblem) in
        Int(try node.number(1...UInt64(addresses.count)))
      }
      return .reach(addresses: addresses, minimum: minimum ?? 1)
    }
  }

  private static func address(_ node: DescriptorNode) throws(DescriptorProblem) -> String {
    let text = try node.text()
    guard let colon = text.lastIndex(of: ":"), UInt16(text[text.index(after: colon)...]) != nil, colon > text.startIndex
    else { throw node.problem("must be ADDRESS:PORT, such as 127.0.0.1:80 or [::1]:80") }
    return text
  }

  private static func command(_ node: DescriptorNode) throws(DescriptorProblem) -> [String] {
    var words: [String] = []
    for element in try node.elements() { words.append(try element.text()) }
    guard let first = words.first, first.hasPrefix("/") else {
      throw node.problem("must be a list whose first element is the program's absolute path")
    }
    return words
  }

  /// Where something is sent by POST: a URL, or one with header fields and certificates.
  public static func request(_ node: DescriptorNode) throws(DescriptorProblem) -> HTTPProbe {
    if !node.isScalar { _ = try node.members(["url", "headers", "ca", "certificate", "key", "insecure"]) }
    var request = try http(node)
    request.method = "POST"
    return request
  }

  private static func http(_ node: DescriptorNode) throws(DescriptorProblem) -> HTTPProbe {
    func check(_ url: String, _ place: DescriptorNode) throws(DescriptorProblem) -> String {
      guard url.hasPrefix("http://") || url.hasPrefix("https://"), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
      else { throw place.problem("must be a URL such as http://127.0.0.1:8080/health") }
      return url
    }
    if node.isScalar { return HTTPProbe(url: try check(try node.text(), node)) }
    let members = try node.members([
      "url", "method", "headers", "status", "body", "answer", "redirects", "ca", "certificate", "key", "insecure",
    ])
    guard let url = members["url"] else { throw node.problem("needs url") }
    var probe = HTTPProbe(url: try check(try url.text(), url))
    if let member = members["method"] {
      probe.method = try member.text()
      guard ["GET", "HEAD", "OPTIONS", "POST"].contains(probe.method) else {
        throw member.problem("must be GET, HEAD, OPTIONS or POST")
      }
    }
    if let member = members["headers"] { probe.headers = try texts(member) }
    if let member = members["answer"] { probe.answer = try texts(member) }
    if let member = members["status"] {
      probe.status = try status(member)
    }
    if let member = members["body"] { probe.body = try member.text() }
    if let member = members["redirects"] { probe.redirects = Int(try member.number(0...20)) }
    if let member = members["ca"] { probe.authority = try member.absolutePath() }
    if let member = members["certificate"] { probe.certificate = try member.absolutePath() }
    if let member = members["key"] { probe.key = try member.absolutePath() }
    if let member = members["insecure"] { probe.insecure = try member.boolean() }
    return probe
  }

  private static func status(_ node: DescriptorNode) throws(DescriptorProblem) -> [String] {
    var ranges: [String] = []
    for element in node.isScalar ? [node] : try node.elements() {
      let text = try element.text()
      let ends = text.split(separator: "-").map { Int($0) }
      guard (1...2).contains(ends.count), ends.allSatisfy({ (100...599).contains($0 ?? 0) }) else {
        throw element.problem("must be a status such as 200, or a range such as 200-399")
      }
      ranges.append(text)
    }
    return ranges
  }

  private static func texts(_ node: DescriptorNode) throws(DescriptorProblem) -> [String: String] {
    var result: [String: String] = [:]
    for (name, member) in try node.members() {
      let value = try member.text()
      guard !name.isEmpty, (name + value).utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }), !name.contains(":") else {
        throw member.problem("is no header field")
      }
      result[name] = value
    }
    return result
  }

  private static func bounds(_ node: DescriptorNode) throws(DescriptorProblem) -> ResourceBounds {
    let members = try node.members(["memory", "cpu", "files", "restarts"])
    var bounds = ResourceBounds()
    if let member = members["memory"] { bounds.memory = try member.bytes() }
    if let member = members["cpu"] {
      guard let value = Quantity.cpuMilli(try member.text()) else {
        throw member.problem("must be a number of processors such as 0.5")
      }
      bounds.cpuMilli = value
    }
    if let member = members["files"] { bounds.files = try member.number(1...1_000_000_000) }
    if let member = members["restarts"] { bounds.restarts = Int(try member.number(0...1_000_000)) }
    guard !members.isEmpty else { throw node.problem("needs at least one of memory, cpu, files, restarts") }
    return bounds
  }

  private static func actions(_ node: DescriptorNode, _ place: Place) throws(DescriptorProblem) -> [HealthCheck.Action]
  {
    var actions: [HealthCheck.Action] = []
    for element in try node.elements() {
      if element.isScalar {
        switch try element.text() {
        case "alert": actions.append(.alert)
        case "restart" where place != .node: actions.append(.restart)
        case "stop" where place != .node: actions.append(.stop)
        default: throw element.problem("must be alert, restart, stop or {run: [PROGRAM, ...]}; node checks: alert")
        }
        continue
      }
      let members = try element.members(["run"])
      guard let command = members["run"], place != .node else { throw element.problem("must be {run: [PROGRAM, ...]}") }
      actions.append(.run(try self.command(command)))
    }
    guard !actions.isEmpty else { throw node.problem("needs at least one") }
    return actions
  }
}
