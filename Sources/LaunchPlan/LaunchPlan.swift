// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// Everything that PID 1 of a container does between its first instruction and the workload's, as one value.
public struct LaunchPlan: Sendable, Equatable {
  /// When the container counts as available.
  public enum Readiness: UInt8, Sendable, Equatable {
    /// As soon as the workload's program runs.
    case started = 0
    /// When it says `READY=1` on `NOTIFY_SOCKET` (sd_notify(3)).
    case notify = 1
  }

  /// How PID 1 keeps the workload's output.
  public struct Log: Sendable, Equatable {
    /// A segment that has reached this many bytes is closed and the next begun.
    public var segmentBytes: UInt64
    /// How many segments are kept; the oldest is removed.
    public var segments: UInt32
    public init(segmentBytes: UInt64 = 8 << 20, segments: UInt32 = 4) {
      self.segmentBytes = segmentBytes
      self.segments = segments
    }
  }

  /// The longest name of a container, in bytes.
  public static let longestName = 63

  /// The container's name, for people who look at the host's processes.
  public var name: String
  public var operations: [Operation]
  public var workload: Workload
  public var readiness: Readiness
  public var log: Log
  /// Lines that every event in systemd's journal has; empty where there is no journal. Else the last descriptor that
  /// comes with the plan is the journal's socket.
  public var journal: [UInt8]
  /// The AppArmor profile of every process that PID 1 starts; empty for none.
  public var profile = ""
  /// The token of the container's identity; empty for none.
  public var identity = ""

  public init(
    name: String, operations: [Operation], workload: Workload, readiness: Readiness = .started, log: Log = Log(),
    journal: [UInt8] = []
  ) {
    self.journal = journal
    self.name = name
    self.operations = operations
    self.workload = workload
    self.readiness = readiness
    self.log = log
  }

  /// The first bytes of an encoded plan; the last one is the version of the encoding.
  static let magic: [UInt8] = [0x4e, 0x41, 0x4c, 3]

  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.write(Self.magic)
    writer.write(name)
    writer.write(operations) { $1.encode(to: &$0) }
    workload.encode(to: &writer)
    writer.write(UInt64(readiness.rawValue))
    writer.write(log.segmentBytes)
    writer.write(UInt64(log.segments))
    writer.write(journal)
    writer.write(profile)
    writer.write(identity)
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(DecodingFailure) {
    var reader = ByteReader(bytes)
    guard try reader.readBytes() == Self.magic else { throw reader.failure("not a launch plan of this version") }
    name = try reader.readString()
    operations = try reader.readList { reader throws(DecodingFailure) in try Operation(from: &reader) }
    workload = try Workload(from: &reader)
    guard let readiness = Readiness(rawValue: try reader.readNumber(as: UInt8.self)) else {
      throw reader.failure("unknown readiness")
    }
    self.readiness = readiness
    log = Log(segmentBytes: try reader.readNumber(), segments: try reader.readNumber(as: UInt32.self))
    journal = try reader.readBytes()
    profile = try reader.readString()
    identity = try reader.readString()
    try reader.expectEnd()
  }
}
