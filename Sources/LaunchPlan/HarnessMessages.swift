// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// What a controller asks of PID 1, one message a `SOCK_SEQPACKET` packet.
public enum HarnessRequest: ControlMessage, Equatable {
  /// The plan, with descriptors: the root mount, the state directory, the listening control socket, then the slots.
  case launch(LaunchPlan)
  /// Sends a signal to the workload, or to every process of the container.
  case signal(Int32, everyone: Bool)
  /// Starts one more process, with descriptors for its stdin, stdout and stderr; with a terminal, without any: the
  /// answer brings the master.
  case exec(id: UInt64, Workload)
  /// Signals a process that `exec` started.
  case signalExec(id: UInt64, Int32)
  /// Asks for ``HarnessEvent/status``.
  case status
  /// Begins a connection inside the container: `tcp://ADDRESS:PORT` or `unix:///PATH`.
  case connect(id: UInt64, String)
  /// Asks when a file of the container was changed.
  case modified(id: UInt64, String)
  /// Has PID 1 take up its next certificate, with a token, and then tell the workload by a signal; 0 for none.
  case identity(id: UInt64, String, signal: Int32)

  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    switch self {
    case .launch(let plan):
      writer.write(1)
      writer.write(plan.encoded())
    case .signal(let number, let everyone):
      writer.write(2)
      writer.write(signed: Int64(number))
      writer.write(everyone)
    case .exec(let id, let workload):
      writer.write(3)
      writer.write(id)
      workload.encode(to: &writer)
    case .signalExec(let id, let number):
      writer.write(4)
      writer.write(id)
      writer.write(signed: Int64(number))
    case .status: writer.write(5)
    case .connect(let id, let address):
      writer.write(6)
      writer.write(id)
      writer.write(address)
    case .modified(let id, let path):
      writer.write(7)
      writer.write(id)
      writer.write(path)
    case .identity(let id, let token, let signal):
      // Without a signal as versions before it wrote it: PID 1 may be one.
      writer.write(signal == 0 ? 8 : 9)
      writer.write(id)
      writer.write(token)
      if signal != 0 { writer.write(signed: Int64(signal)) }
    }
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(DecodingFailure) {
    var reader = ByteReader(bytes)
    switch try reader.readNumber() {
    case 1: self = .launch(try LaunchPlan(decoding: try reader.readBytes()))
    case 2: self = .signal(try reader.readSigned32(), everyone: try reader.readBool())
    case 3: self = .exec(id: try reader.readNumber(), try Workload(from: &reader))
    case 4: self = .signalExec(id: try reader.readNumber(), try reader.readSigned32())
    case 5: self = .status
    case 6: self = .connect(id: try reader.readNumber(), try reader.readString())
    case 7: self = .modified(id: try reader.readNumber(), try reader.readString())
    case 8: self = .identity(id: try reader.readNumber(), try reader.readString(), signal: 0)
    case 9:
      self = .identity(id: try reader.readNumber(), try reader.readString(), signal: try reader.readSigned32())
    default: throw reader.failure("unknown request")
    }
    try reader.expectEnd()
  }
}

/// What PID 1 tells its controllers, one message a packet.
public enum HarnessEvent: ControlMessage, Equatable {
  /// An operation of the plan, or the start of the workload, failed; PID 1 ends.
  case failed(stage: String, error: SyscallError)
  /// The workload's program runs.
  case started
  case ready
  /// The workload said `STOPPING=1`, or is about to be ended.
  case statusText(String)
  /// The workload ended; PID 1 ends after it.
  case exited(ExitStatus)
  /// The answer to `exec`, with the terminal's master where one was asked for.
  case execStarted(id: UInt64)
  case execFailed(id: UInt64, stage: String, errno: Int32)
  case execExited(id: UInt64, ExitStatus)
  case status(started: Bool, ready: Bool)
  /// The answer to `connect`, with the socket.
  case connected(id: UInt64)
  /// The answer to `modified`: milliseconds of the wall clock.
  case modified(id: UInt64, Int64)
  /// The answer to `identity`.
  case identityTaken(id: UInt64)
  /// The answer to one of these where it could not be done.
  case lookFailed(id: UInt64, errno: Int32)

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
    case .started: writer.write(2)
    case .ready: writer.write(3)
    case .statusText(let text):
      writer.write(4)
      writer.write(text)
    case .exited(let status):
      writer.write(5)
      status.encode(to: &writer)
    case .execStarted(let id):
      writer.write(6)
      writer.write(id)
    case .execFailed(let id, let stage, let errno):
      writer.write(7)
      writer.write(id)
      writer.write(stage)
      writer.write(signed: Int64(errno))
    case .execExited(let id, let status):
      writer.write(8)
      writer.write(id)
      status.encode(to: &writer)
    case .status(let started, let ready):
      writer.write(9)
      writer.write(started)
      writer.write(ready)
    case .connected(let id):
      writer.write(10)
      writer.write(id)
    case .modified(let id, let time):
      writer.write(11)
      writer.write(id)
      writer.write(signed: time)
    case .lookFailed(let id, let errno):
      writer.write(12)
      writer.write(id)
      writer.write(signed: Int64(errno))
    case .identityTaken(let id):
      writer.write(13)
      writer.write(id)
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
    case 2: self = .started
    case 3: self = .ready
    case 4: self = .statusText(try reader.readString())
    case 5: self = .exited(try ExitStatus(from: &reader))
    case 6: self = .execStarted(id: try reader.readNumber())
    case 7:
      self = .execFailed(id: try reader.readNumber(), stage: try reader.readString(), errno: try reader.readSigned32())
    case 8: self = .execExited(id: try reader.readNumber(), try ExitStatus(from: &reader))
    case 9: self = .status(started: try reader.readBool(), ready: try reader.readBool())
    case 10: self = .connected(id: try reader.readNumber())
    case 11: self = .modified(id: try reader.readNumber(), try reader.readSigned())
    case 12: self = .lookFailed(id: try reader.readNumber(), errno: try reader.readSigned32())
    case 13: self = .identityTaken(id: try reader.readNumber())
    default: throw reader.failure("unknown event")
    }
    try reader.expectEnd()
  }
}

extension ExitStatus {
  func encode(to writer: inout ByteWriter) {
    switch self {
    case .exited(let code):
      writer.write(false)
      writer.write(signed: Int64(code))
      writer.write(false)
    case .signaled(let signal, let dumped):
      writer.write(true)
      writer.write(signed: Int64(signal))
      writer.write(dumped)
    }
  }

  init(from reader: inout ByteReader) throws(DecodingFailure) {
    let signaled = try reader.readBool()
    let number = try reader.readSigned32()
    let dumped = try reader.readBool()
    self = signaled ? .signaled(number, coreDumped: dumped) : .exited(number)
  }
}
