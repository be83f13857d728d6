// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// How a workload ended, as PID 1 leaves it for the next controller in the file `exit` of the state directory.
///
/// One line: `exited CODE MICROSECONDS` or `signaled NUMBER MICROSECONDS`, microseconds since 1970.
public struct ExitRecord: Sendable, Equatable {
  public static let fileName = "exit"

  public var status: ExitStatus
  public var time: Int64

  public init(status: ExitStatus, time: Int64) {
    self.status = status
    self.time = time
  }

  public var text: String {
    switch status {
    case .exited(let code): "exited \(code) \(time)\n"
    case .signaled(let signal, let dumped): "\(dumped ? "dumped" : "signaled") \(signal) \(time)\n"
    }
  }

  public init?(text: String) {
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count == 3, let number = Int32(fields[1]), let time = Int64(fields[2]) else { return nil }
    switch fields[0] {
    case "exited": status = .exited(number)
    case "signaled": status = .signaled(number, coreDumped: false)
    case "dumped": status = .signaled(number, coreDumped: true)
    default: return nil
    }
    self.time = time
  }

  public func write(in directory: Int32) throws(SyscallError) {
    try FileSystem.replace(Self.fileName, in: directory, with: text.utf8, mode: 0o640)
  }
}
