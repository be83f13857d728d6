// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// The conversation of the node controller with the keeper of one sub-system.
public typealias KeeperConnection = ControlConnection<KeeperRequest, KeeperEvent>

/// What the node controller asks of a keeper.
public enum KeeperRequest: ControlMessage, Equatable {
  /// The plan, with the descriptors that ``KeepPlan`` names.
  case keep(KeepPlan)
  /// Asks for ``KeeperEvent/status(_:)``.
  case status

  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    switch self {
    case .keep(let plan):
      writer.write(1)
      writer.write(plan.encoded())
    case .status: writer.write(2)
    }
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(DecodingFailure) {
    var reader = ByteReader(bytes)
    switch try reader.readNumber() {
    case 1: self = .keep(try KeepPlan(decoding: try reader.readBytes()))
    case 2: self = .status
    default: throw reader.failure("unknown request")
    }
    try reader.expectEnd()
  }
}

/// What the workload has said about itself (sd_notify(3)).
public enum KeeperNotice: UInt8, Sendable, Equatable {
  case ready = 1
  case reloading
  case stopping
  /// `WATCHDOG=1`: it lives.
  case heartbeat
  /// `WATCHDOG=trigger`: it knows that it does not work.
  case distress
}

/// What a keeper tells the node controller.
public enum KeeperEvent: ControlMessage, Equatable {
  /// The workload as the keeper sees it.
  public struct Status: Sendable, Equatable {
    /// 0 when it has ended.
    public var pid: Int32
    public var ready: Bool
    /// Nanoseconds of the monotonic clock; 0 for none yet.
    public var heartbeat: UInt64
    public var text: String
    public init(pid: Int32, ready: Bool, heartbeat: UInt64, text: String) {
      self.pid = pid
      self.ready = ready
      self.heartbeat = heartbeat
      self.text = text
    }
  }

  /// The workload could not be started; the keeper ends.
  case failed(stage: String, error: SyscallError)
  /// The keyring that has its identity; comes before ``started(pid:)``.
  case keyring(Int32)
  /// The workload's program runs.
  case started(pid: Int32)
  case notice(KeeperNotice)
  /// `STATUS=`.
  case text(String)
  /// The workload ended; the keeper ends once nobody can write to the log any more.
  case exited(ExitStatus)
  /// The answer to ``KeeperRequest/status``, with the sockets that the workload was handed.
  case status(Status)

  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    switch self {
    case .failed(let stage, let error):
      writer.write(1)
      writer.write(stage)
      writer.write(error.call)
      writer.write(error.object)
      writer.write(signed: Int64(error.errno))
      writer.write(error.detail ?? "")
    case .keyring(let serial):
      writer.write(7)
      writer.write(signed: Int64(serial))
    case .started(let pid):
      writer.write(2)
      writer.write(signed: Int64(pid))
    case .notice(let notice):
      writer.write(3)
      writer.write(UInt64(notice.rawValue))
    case .text(let text):
      writer.write(4)
      writer.write(text)
    case .exited(let status):
      writer.write(5)
      status.encode(to: &writer)
    case .status(let status):
      writer.write(6)
      writer.write(signed: Int64(status.pid))
      writer.write(status.ready)
      writer.write(status.heartbeat)
      writer.write(status.text)
    }
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(DecodingFailure) {
    var reader = ByteReader(bytes)
    switch try reader.readNumber() {
    case 1:
      let stage = try reader.readString()
      let call = try reader.readString()
      let object = try reader.readString()
      let errno = try reader.readSigned32()
      let detail = try reader.readString()
      self = .failed(
        stage: stage,
        error: SyscallError(call: call, object: object, errno: errno, detail: detail.isEmpty ? nil : detail))
    case 2: self = .started(pid: try reader.readSigned32())
    case 3:
      guard let notice = KeeperNotice(rawValue: try reader.readNumber(as: UInt8.self)) else {
        throw reader.failure("unknown notice")
      }
      self = .notice(notice)
    case 4: self = .text(try reader.readString())
    case 5: self = .exited(try ExitStatus(from: &reader))
    case 6:
      self = .status(
        Status(
          pid: try reader.readSigned32(), ready: try reader.readBool(), heartbeat: try reader.readNumber(),
          text: try reader.readString()))
    case 7: self = .keyring(try reader.readSigned32())
    default: throw reader.failure("unknown event")
    }
    try reader.expectEnd()
  }
}
