// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// The methods of `container.sock` about containers.
public enum ContainerMethods {
  public struct Named: Codable, Sendable, Hashable {
    public var name: String
    public init(name: String) { self.name = name }
  }

  public struct Stop: Codable, Sendable, Hashable, SchemaDocumented {
    public var name: String
    public var timeout: Int64?
    public init(name: String, timeout: Int64? = nil) {
      self.name = name
      self.timeout = timeout
    }
    public static let memberSummaries = [
      "timeout": "milliseconds between the stop signal and the end by force; else the bundle's"
    ]
  }

  public struct Kill: Codable, Sendable, Hashable, SchemaDocumented {
    public var name: String
    public var signal: String?
    public init(name: String, signal: String? = nil) {
      self.name = name
      self.signal = signal
    }
    public static let memberSummaries = [
      "signal": "TERM, SIGTERM or a number; KILL when missing, which ends every process"
    ]
  }

  public struct Remove: Codable, Sendable, Hashable, SchemaDocumented {
    public var name: String
    public var force: Bool?
    public init(name: String, force: Bool? = nil) {
      self.name = name
      self.force = force
    }
    public static let memberSummaries = ["force": "ends it first if it runs"]
  }

  public struct Wait: Codable, Sendable, Hashable, SchemaDocumented {
    public var name: String
    public init(name: String) { self.name = name }
    public static let memberSummaries = ["name": "waits until it does not run and will not be restarted"]
  }

  public struct Query: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]?
    public init(names: [String]? = nil) { self.names = names }
    public static let memberSummaries = ["names": "only these; all when missing"]
  }

  public static let create = Method<ContainerSpec, ContainerView>(
    "container.create", role: .operatorRole, "Makes a container from a bundle without starting it.",
    errors: [.alreadyExists, .notFound, .noSpace])
  public static let start = Method<Named, ContainerView>(
    "container.start", role: .operatorRole, "Starts a container and answers when its workload runs.",
    errors: [.notFound, .wrongState, .startFailed])
  public static let run = Method<ContainerSpec, ContainerView>(
    "container.run", role: .operatorRole,
    "Makes a container and starts it; one that cannot be started is removed again.",
    errors: [.alreadyExists, .notFound, .noSpace, .startFailed])
  public static let stop = Method<Stop, ContainerView>(
    "container.stop", role: .operatorRole, "Sends the stop signal, waits, and ends what is left by force.",
    errors: [.notFound])
  public static let restart = Method<Stop, ContainerView>(
    "container.restart", role: .operatorRole, "Stops a container if it runs, and starts it.",
    errors: [.notFound, .startFailed])
  public static let kill = Method<Kill, ContainerView>(
    "container.kill", role: .operatorRole, "Sends a signal.", errors: [.notFound, .wrongState])
  public static let remove = Method<Remove, Empty>(
    "container.remove", role: .operatorRole, "Removes a container with its files and log.",
    errors: [.notFound, .wrongState])
  public static let wait = Method<Wait, ContainerView>(
    "container.wait", role: .observer, "Answers when the container has ended for good.", errors: [.notFound])
  public static let list = Method<Query, [ContainerView]>(
    "container.list", role: .observer, "All containers, by name.", errors: [.notFound])
  public static let inspect = Method<Named, ContainerDetails>(
    "container.inspect", role: .observer, "Everything about one container.", errors: [.notFound])
  public static let stats = Method<Query, [ContainerStats]>(
    "container.stats", role: .observer, "What running containers use now.", errors: [.notFound])
  public static let statsTopic = Method<StatsQuery, ContainerStats>(
    "stats", kind: .topic, role: .observer, "What running containers use, at an interval.")
  public static let exec = Method<ExecRequest, ExecStarted>(
    "container.exec", kind: .stream, role: .operatorRole,
    "Starts one more process in a container; the connection then carries its input and output as frames.",
    errors: [.notFound, .wrongState, .startFailed])

  public static let execute = Method<ExecuteRequest, ExecuteResult>(
    "container.execute", role: .operatorRole,
    "Runs one more process in a container to its end, for callers without frames; see container.exec.",
    errors: [.notFound, .wrongState, .startFailed])

  public struct ExecuteRequest: Codable, Sendable, Hashable, SchemaDocumented {
    public var name: String
    public var command: [String]
    public var environment: [String: String]?
    public var user: String?
    public var directory: String?
    public var input: String?
    public var timeout: Int64?
    public init(name: String, command: [String]) {
      self.name = name
      self.command = command
    }
    public static let memberSummaries = [
      "user": "UID or UID:GID, decimal; the container's user when missing",
      "input": "what the process reads, up to 64 KiB",
      "timeout": "milliseconds until it is ended by force; 60000 when missing",
    ]
  }

  public struct ExecuteResult: Codable, Sendable, Hashable, SchemaDocumented {
    public var code: Int32?
    public var signal: Int32?
    public var output: String
    public var error: String
    public var truncated: Bool
    public init(code: Int32?, signal: Int32?, output: String, error: String, truncated: Bool) {
      self.code = code
      self.signal = signal
      self.output = output
      self.error = error
      self.truncated = truncated
    }
    public static let memberSummaries = [
      "signal": "the signal that ended it", "output": "up to 1 MiB; bytes that are no UTF-8 are replaced",
      "truncated": "there was more output than this",
    ]
  }

  public struct StatsQuery: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]?
    public var interval: Int64?
    public init(names: [String]? = nil, interval: Int64? = nil) {
      self.names = names
      self.interval = interval
    }
    public static let memberSummaries = ["interval": "milliseconds, at least 100; 1000 when missing"]
  }

  public struct ExecRequest: Codable, Sendable, Hashable, SchemaDocumented {
    public var name: String
    public var command: [String]
    public var environment: [String: String]?
    public var user: String?
    public var directory: String?
    public var terminal: Bool?
    public var rows: UInt16?
    public var columns: UInt16?
    public init(
      name: String, command: [String], environment: [String: String]? = nil, user: String? = nil,
      directory: String? = nil, terminal: Bool? = nil, rows: UInt16? = nil, columns: UInt16? = nil
    ) {
      self.name = name
      self.command = command
      self.environment = environment
      self.user = user
      self.directory = directory
      self.terminal = terminal
      self.rows = rows
      self.columns = columns
    }
    public static let memberSummaries = [
      "user": "UID or UID:GID, decimal; the container's user when missing",
      "terminal": "its descriptors are a new pseudo-terminal", "rows": "of the terminal", "columns": "of the terminal",
    ]
  }

  public struct ExecStarted: Codable, Sendable, Hashable {
    public var id: UInt64
    public init(id: UInt64) { self.id = id }
  }
}
