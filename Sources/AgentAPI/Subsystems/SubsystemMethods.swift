// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

public enum SubsystemMethods {
  public struct Query: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]?
    public init(names: [String]? = nil) { self.names = names }
    public static let memberSummaries = ["names": "only these; all where it is missing"]
  }

  public struct Name: Codable, Sendable, Hashable {
    public var name: String
    public init(name: String) { self.name = name }
  }

  public struct Change: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]
    public var dryRun: Bool?
    public init(names: [String], dryRun: Bool? = nil) {
      self.names = names
      self.dryRun = dryRun
    }
    public static let memberSummaries = ["dryRun": "only say what would be done"]
  }

  public struct Apply: Codable, Sendable, Hashable, SchemaDocumented {
    public var dryRun: Bool?
    public init(dryRun: Bool? = nil) { self.dryRun = dryRun }
    public static let memberSummaries = ["dryRun": "only say what would be done"]
  }

  public static let list = Method<Query, [SubsystemView]>(
    "subsystem.list", role: .observer, "The sub-systems as they are now.", errors: [.notFound])
  public static let inspect = Method<Name, SubsystemDetails>(
    "subsystem.inspect", role: .observer, "Everything about one sub-system.", errors: [.notFound])
  public static let start = Method<Change, SubsystemPlan>(
    "subsystem.start", role: .admin,
    "Starts sub-systems, and first what they require; returns when each is available or has failed.",
    errors: [.notFound])
  public static let stop = Method<Change, SubsystemPlan>(
    "subsystem.stop", role: .admin, "Stops sub-systems, and first those that require them.", errors: [.notFound])
  public static let restart = Method<Change, SubsystemPlan>(
    "subsystem.restart", role: .admin,
    "Stops sub-systems with those that require them and run, and starts the same again.", errors: [.notFound])
  public static let reload = Method<Change, SubsystemPlan>(
    "subsystem.reload", role: .admin,
    "Tells sub-systems to read their configuration again, each in the way of its unit file.",
    errors: [.notFound, .wrongState])
  public static let apply = Method<Apply, SubsystemPlan>(
    "subsystem.apply", role: .admin,
    "Reads the unit files again and makes what runs agree with them. With an error in one of them nothing is changed.",
    errors: [.invalidParams])
  public static let logs = Method<LogQuery, [LogEntry]>(
    "subsystem.logs", role: .observer, "The last events of a sub-system's log, at most 10000 and 8 MiB of text.",
    errors: [.notFound, .invalidParams])
}
