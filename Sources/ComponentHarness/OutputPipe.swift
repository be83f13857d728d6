// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LinuxKernel

/// One of the workload's output streams, cut into lines.
struct OutputPipe {
  private var pipe: SharedDescriptor?
  private let stream: LogStream
  private var rest: [UInt8] = []

  /// A line longer than this becomes several events.
  static let longestLine = 16 << 10

  init(_ pipe: SharedDescriptor, stream: LogStream) {
    self.pipe = pipe
    self.stream = stream
    cl_set_nonblocking(pipe.raw, true)
  }

  var descriptor: Int32 { pipe?.raw ?? -1 }
  var isClosed: Bool { pipe == nil }

  /// Reads what is there, once, so that one busy stream cannot starve the others.
  mutating func read(into log: inout LogSegments) {
    _ = readOnce(into: &log)
    log.flush()
  }

  /// Reads to the end, or until there is nothing more for now.
  mutating func drain(into log: inout LogSegments) {
    while readOnce(into: &log) {}
    close(into: &log)
    log.flush()
  }

  private mutating func readOnce(into log: inout LogSegments) -> Bool {
    guard let number = pipe?.raw else { return false }
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    let count: Int
    do {
      count = try FileSystem.read(number, into: &chunk, object: stream.rawValue)
    } catch {
      if error.errno != EAGAIN { close(into: &log) }
      return false
    }
    if count == 0 {
      close(into: &log)
      return false
    }
    cut(chunk[..<count], into: &log)
    return true
  }

  private mutating func cut(_ bytes: ArraySlice<UInt8>, into log: inout LogSegments) {
    let time = Clock.wallMicroseconds()
    rest += bytes
    var start = rest.startIndex
    while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")), end - start <= Self.longestLine {
      log.append(rest[start..<end], stream: stream, partial: false, time: time)
      start = end + 1
    }
    while rest.count - start > Self.longestLine {
      let end = Self.cutPoint(rest, from: start)
      log.append(rest[start..<end], stream: stream, partial: true, time: time)
      start = end
      while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")), end - start <= Self.longestLine {
        log.append(rest[start..<end], stream: stream, partial: false, time: time)
        start = end + 1
      }
    }
    rest.removeSubrange(..<start)
  }

  /// Where to cut a long line: not inside a UTF-8 sequence.
  private static func cutPoint(_ bytes: [UInt8], from start: Int) -> Int {
    var end = start + longestLine
    for _ in 0..<3 where bytes[end] & 0xc0 == 0x80 { end -= 1 }
    return end
  }

  private mutating func close(into log: inout LogSegments) {
    guard pipe != nil else { return }
    if !rest.isEmpty {
      log.append(rest, stream: stream, partial: true, time: Clock.wallMicroseconds())
      rest = []
    }
    pipe = nil
  }
}
