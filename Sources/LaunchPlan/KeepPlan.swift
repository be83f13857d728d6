// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// What a keeper does: the host's process that it starts, watches and logs.
///
/// The descriptors that come with it are, in this order: the state directory, the listening control socket, the
/// notification socket, the entrances of its cgroup, the sockets to hand to the workload, and the journal's socket where ``journal`` is not empty.
public struct KeepPlan: Sendable, Equatable {
  /// The sub-system's name, for people who look at the host's processes.
  public var name: String
  public var workload: Workload
  /// How many entrances of its cgroup come with it: files by which the keeper puts itself there before all else.
  public var entrances: Int
  /// The names of the sockets that the workload gets as descriptors from 3 on (sd_listen_fds(3)).
  public var sockets: [String]
  /// Who the keeper is once the workload runs: it then needs no privilege.
  public var uid: UInt32
  public var gid: UInt32
  public var log: LaunchPlan.Log
  /// As in ``LaunchPlan/journal``.
  public var journal: [UInt8]
  /// The token of its identity; empty for none.
  public var identity = ""

  public init(
    name: String, workload: Workload, entrances: Int = 0, sockets: [String] = [], uid: UInt32, gid: UInt32,
    log: LaunchPlan.Log = .init(), journal: [UInt8] = []
  ) {
    self.name = name
    self.workload = workload
    self.entrances = entrances
    self.sockets = sockets
    self.uid = uid
    self.gid = gid
    self.log = log
    self.journal = journal
  }

  static let magic: [UInt8] = [0x4e, 0x41, 0x4b, 2]

  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.write(Self.magic)
    writer.write(name)
    workload.encode(to: &writer)
    writer.write(UInt64(entrances))
    writer.write(sockets) { $0.write($1) }
    writer.write(UInt64(uid))
    writer.write(UInt64(gid))
    writer.write(log.segmentBytes)
    writer.write(UInt64(log.segments))
    writer.write(journal)
    writer.write(identity)
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(DecodingFailure) {
    var reader = ByteReader(bytes)
    guard try reader.readBytes() == Self.magic else { throw reader.failure("not a keeper's plan of this version") }
    name = try reader.readString()
    workload = try Workload(from: &reader)
    entrances = Int(try reader.readNumber(as: UInt8.self))
    sockets = try reader.readList { reader throws(DecodingFailure) in try reader.readString() }
    uid = try reader.readNumber(as: UInt32.self)
    gid = try reader.readNumber(as: UInt32.self)
    log = LaunchPlan.Log(segmentBytes: try reader.readNumber(), segments: try reader.readNumber(as: UInt32.self))
    journal = try reader.readBytes()
    identity = try reader.readString()
    try reader.expectEnd()
  }
}
