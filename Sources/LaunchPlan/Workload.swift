// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// A process that PID 1 starts: the container's entry command, or one that `exec` adds.
public struct Workload: Sendable, Equatable, Hashable {
  /// A resource limit of setrlimit(2); `resource` is the kernel's number.
  public struct Limit: Sendable, Equatable, Hashable {
    public var resource: Int32
    public var soft: UInt64
    public var hard: UInt64
    public init(resource: Int32, soft: UInt64, hard: UInt64) {
      self.resource = resource
      self.soft = soft
      self.hard = hard
    }
  }

  /// The command; a first word without `/` is looked up in the `PATH` of ``environment``.
  public var arguments: [String]
  /// `NAME=value`.
  public var environment: [String]
  public var workingDirectory: String
  public var uid: UInt32
  public var gid: UInt32
  public var groups: [UInt32]
  public var capabilities: CapabilitySet
  public var limits: [Limit]
  /// A seccomp program as exported by libseccomp; empty for none.
  public var filter: [UInt8]
  /// Its descriptors are a new pseudo-terminal.
  public var terminal: Bool

  public init(
    arguments: [String], environment: [String] = [], workingDirectory: String = "/", uid: UInt32 = 0,
    gid: UInt32 = 0, groups: [UInt32] = [], capabilities: CapabilitySet = [], limits: [Limit] = [],
    filter: [UInt8] = [], terminal: Bool = false
  ) {
    self.arguments = arguments
    self.environment = environment
    self.workingDirectory = workingDirectory
    self.uid = uid
    self.gid = gid
    self.groups = groups
    self.capabilities = capabilities
    self.limits = limits
    self.filter = filter
    self.terminal = terminal
  }

  func encode(to writer: inout ByteWriter) {
    writer.write(arguments) { $0.write($1) }
    writer.write(environment) { $0.write($1) }
    writer.write(workingDirectory)
    writer.write(UInt64(uid))
    writer.write(UInt64(gid))
    writer.write(groups) { $0.write(UInt64($1)) }
    writer.write(capabilities.rawValue)
    writer.write(limits) { writer, limit in
      writer.write(signed: Int64(limit.resource))
      writer.write(limit.soft)
      writer.write(limit.hard)
    }
    writer.write(filter)
    writer.write(terminal)
  }

  init(from reader: inout ByteReader) throws(DecodingFailure) {
    arguments = try reader.readList { reader throws(DecodingFailure) in try reader.readString() }
    environment = try reader.readList { reader throws(DecodingFailure) in try reader.readString() }
    workingDirectory = try reader.readString()
    uid = try reader.readNumber(as: UInt32.self)
    gid = try reader.readNumber(as: UInt32.self)
    groups = try reader.readList { reader throws(DecodingFailure) in try reader.readNumber(as: UInt32.self) }
    capabilities = CapabilitySet(rawValue: try reader.readNumber())
    limits = try reader.readList { reader throws(DecodingFailure) in
      Limit(resource: try reader.readSigned32(), soft: try reader.readNumber(), hard: try reader.readNumber())
    }
    filter = try reader.readBytes()
    terminal = try reader.readBool()
  }
}
