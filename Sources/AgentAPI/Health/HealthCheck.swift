// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// What is looked at, how often, what counts as failing, and what is done then; docs/health.md describes the format.
public struct HealthCheck: Codable, Sendable, Hashable {
  /// What has to hold.
  public enum Probe: Sendable, Hashable {
    /// The sub-system's process runs.
    case process
    /// Somebody accepts connections at this address, `127.0.0.1:80` or `[::1]:80`.
    case tcp(String)
    /// Somebody accepts connections on the unix socket of this path.
    case unix(String)
    case http(HTTPProbe)
    /// The command ends with code 0.
    case command([String])
    /// The file was changed of late.
    case file(path: String, maximumAge: Int64)
    case resources(ResourceBounds)
    /// At least so many of these addresses accept connections: else this node itself is cut off.
    case reach(addresses: [String], minimum: Int)
  }

  /// What is done when it fails.
  public enum Action: Sendable, Hashable {
    /// Only the event.
    case alert
    case restart
    /// The sub-system is stopped, and counts as failed.
    case stop
    case run([String])
  }

  public var name: String
  public var probe: Probe
  /// Milliseconds.
  public var interval: Int64 = 10_000
  public var timeout: Int64 = 5000
  /// After a start, failures do not count for so long.
  public var grace: Int64 = 0
  /// So many successes in a row, and it is healthy.
  public var rise = 1
  /// So many failures in a row, and it is unhealthy.
  public var fall = 3
  /// Each interval is longer or shorter by up to this share, in hundredths.
  public var jitter = 10
  /// While it is unhealthy the interval doubles up to this; 0: never.
  public var backoff: Int64 = 0
  /// The nth time that it becomes unhealthy, the nth of these is done; the last one again and again.
  public var actions: [Action] = [.alert]
  /// After being healthy for so long, the actions begin anew.
  public var forgive: Int64 = 600_000
  /// Another check, of the kind `reach`: while that fails the fault is with this node's own network, and nothing is done.
  public var arbiter: String?

  public init(name: String, probe: Probe) {
    self.name = name
    self.probe = probe
  }
}

/// An HTTP request and what its answer has to be.
public struct HTTPProbe: Codable, Sendable, Hashable {
  public var url: String
  public var method: String
  public var headers: [String: String]
  /// Status codes that are good, such as `200-299` or `401`.
  public var status: [String]
  /// The body has to contain this.
  public var body: String?
  /// The answer has to have these header fields, with these texts in them.
  public var answer: [String: String]
  /// How many redirections are followed.
  public var redirects: Int
  /// Certificates (PEM) to trust instead of the system's.
  public var authority: String?
  /// The client's certificate and key (PEM).
  public var certificate: String?
  public var key: String?
  /// The server's certificate is not checked.
  public var insecure: Bool

  /// The URL without its path and query, in which tokens may stand.
  public var server: String {
    let start = url.firstRange(of: "://")?.upperBound ?? url.startIndex
    return String(url[..<(url[start...].firstIndex { "/?#".contains($0) } ?? url.endIndex)])
  }

  public init(url: String) {
    self.url = url
    method = "GET"
    headers = [:]
    status = ["200-299"]
    body = nil
    answer = [:]
    redirects = 0
    authority = nil
    certificate = nil
    key = nil
    insecure = false
  }
}

/// What a sub-system may use at most; the one that is exceeded is told.
public struct ResourceBounds: Codable, Sendable, Hashable {
  /// Bytes, without reclaimable page cache.
  public var memory: UInt64?
  /// Thousandths of a processor since the last look.
  public var cpuMilli: UInt64?
  /// Open descriptors of all its processes.
  public var files: UInt64?
  /// Restarts since the agent knows it.
  public var restarts: Int?
  public init(memory: UInt64? = nil, cpuMilli: UInt64? = nil, files: UInt64? = nil, restarts: Int? = nil) {
    self.memory = memory
    self.cpuMilli = cpuMilli
    self.files = files
    self.restarts = restarts
  }
}

extension HealthCheck.Probe: Codable {
  private enum Keys: String, CodingKey {
    case process, tcp, unix, http, command, file, maximumAge, resources, reach, minimum
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Keys.self)
    if let address = try container.decodeIfPresent(String.self, forKey: .tcp) {
      self = .tcp(address)
    } else if let path = try container.decodeIfPresent(String.self, forKey: .unix) {
      self = .unix(path)
    } else if let probe = try container.decodeIfPresent(HTTPProbe.self, forKey: .http) {
      self = .http(probe)
    } else if let command = try container.decodeIfPresent([String].self, forKey: .command) {
      self = .command(command)
    } else if let path = try container.decodeIfPresent(String.self, forKey: .file) {
      self = .file(path: path, maximumAge: try container.decode(Int64.self, forKey: .maximumAge))
    } else if let bounds = try container.decodeIfPresent(ResourceBounds.self, forKey: .resources) {
      self = .resources(bounds)
    } else if let addresses = try container.decodeIfPresent([String].self, forKey: .reach) {
      self = .reach(addresses: addresses, minimum: try container.decode(Int.self, forKey: .minimum))
    } else {
      _ = try container.decodeIfPresent(Bool.self, forKey: .process)
      self = .process
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Keys.self)
    switch self {
    case .process: try container.encode(true, forKey: .process)
    case .tcp(let address): try container.encode(address, forKey: .tcp)
    case .unix(let path): try container.encode(path, forKey: .unix)
    case .http(let probe): try container.encode(probe, forKey: .http)
    case .command(let command): try container.encode(command, forKey: .command)
    case .file(let path, let age):
      try container.encode(path, forKey: .file)
      try container.encode(age, forKey: .maximumAge)
    case .resources(let bounds): try container.encode(bounds, forKey: .resources)
    case .reach(let addresses, let minimum):
      try container.encode(addresses, forKey: .reach)
      try container.encode(minimum, forKey: .minimum)
    }
  }

  /// Its kind, as the unit file calls it.
  public var kind: String {
    switch self {
    case .process: "process"
    case .tcp: "tcp"
    case .unix: "unix"
    case .http: "http"
    case .command: "command"
    case .file: "file"
    case .resources: "resources"
    case .reach: "reach"
    }
  }

  /// True for what is done over the network, by the unprivileged monitor.
  public var isRemote: Bool {
    switch self {
    case .tcp, .unix, .http, .reach: true
    case .process, .command, .file, .resources: false
    }
  }
}

extension HealthCheck.Action: Codable {
  private enum Keys: String, CodingKey { case action, command }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Keys.self)
    switch try container.decodeIfPresent(String.self, forKey: .action) {
    case "restart": self = .restart
    case "stop": self = .stop
    case "run": self = .run(try container.decode([String].self, forKey: .command))
    default: self = .alert
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Keys.self)
    try container.encode(word, forKey: .action)
    if case .run(let command) = self { try container.encode(command, forKey: .command) }
  }

  public var word: String {
    switch self {
    case .alert: "alert"
    case .restart: "restart"
    case .stop: "stop"
    case .run: "run"
    }
  }
}
