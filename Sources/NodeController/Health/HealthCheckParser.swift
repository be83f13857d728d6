// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import LinuxKernel

/// Reads a list of checks; docs/health.md describes the format.
enum HealthCheckParser {
  private static let kinds = ["process", "tcp", "unix", "http", "command", "file", "resources", "reach"]
  private static let keys =
    kinds + [
      "name", "interval", "timeout", "grace", "rise", "fall", "jitter", "backoff", "actions", "forgive", "arbiter",
    ]

  /// - Parameter node: the checks belong to no sub-system.
  static func parse(_ node: DescriptorNode, ofNode: Bool) throws(DescriptorProblem) -> [HealthCheck] {
    var checks: [HealthCheck] = []
    for element in try node.elements() {
      let check = try check(element, ofNode: ofNode)
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

  private static func check(_ node: DescriptorNode, ofNode: Bool) throws(DescriptorProblem) -> HealthCheck {
    let members = try node.members(keys)
    let given = kinds.filter { members[$0] != nil }
    guard given.count == 1, let kind = given.first, let member = members[kind] else {
      throw node.problem("needs exactly one of \(kinds.joined(separator: ", "))")
    }
    if ofNode, ["process", "resources", "command"].contains(kind) {
      throw member.problem("belongs to a sub-system; put the check in its unit file")
    }
    var check = HealthCheck(name: kind, probe: try probe(kind, member))
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
    if let member = members["arbiter"] { check.arbiter = try member.text() }
    if let member = members["actions"] { check.actions = try actions(member, ofNode: ofNode) }
    return check
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
  static func request(_ node: DescriptorNode) throws(DescriptorProblem) -> HTTPProbe {
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

  private static func actions(_ node: DescriptorNode, ofNode: Bool) throws(DescriptorProblem) -> [HealthCheck.Action] {
    var actions: [HealthCheck.Action] = []
    for element in try node.elements() {
      if element.isScalar {
        switch try element.text() {
        case "alert": actions.append(.alert)
        case "restart" where !ofNode: actions.append(.restart)
        case "stop" where !ofNode: actions.append(.stop)
        default: throw element.problem("must be alert, restart, stop or {run: [PROGRAM, ...]}; node checks: alert")
        }
        continue
      }
      let members = try element.members(["run"])
      guard let command = members["run"], !ofNode else { throw element.problem("must be {run: [PROGRAM, ...]}") }
      actions.append(.run(try self.command(command)))
    }
    guard !actions.isEmpty else { throw node.problem("needs at least one") }
    return actions
  }
}
