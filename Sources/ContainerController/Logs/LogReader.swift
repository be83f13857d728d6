// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel

/// Reads the log segments of one container. Lines that are no events are passed over: a container cannot write here,
/// but a full disk can cut a line.
struct LogReader: Sendable {
  let directory: String

  /// A place in the log: a segment and a byte in it.
  struct Position: Sendable, Equatable {
    var segment: UInt64
    var offset: Int
  }

  /// The longest line that is read; PID 1 writes none of this length.
  private static let longestLine = 1 << 20

  func segments() throws(SyscallError) -> [UInt64] {
    try FileSystem.names(in: directory).compactMap(LogSegmentName.number).sorted()
  }

  private func open(_ segment: UInt64) throws(SyscallError) -> Descriptor {
    try FileSystem.open(
      "\(directory)/\(LogSegmentName.name(segment))", flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  }

  /// The last `count` events that `filter` accepts, oldest first.
  func last(_ count: Int, _ filter: LogFilter) throws -> [LogRecord] {
    var found: [LogRecord] = []
    for segment in try segments().reversed() {
      var part: [LogRecord] = []
      _ = try read(from: Position(segment: segment, offset: 0), onlySegment: true) { record in
        if filter.accepts(record) { part.append(record) }
        if part.count > 2 * count + 1024 { part.removeFirst(part.count - count) }
      }
      found = part.suffix(count - found.count) + found
      if found.count >= count { break }
      // Events stand in the order of their times: older segments have nothing newer than `since`.
      if let since = filter.since, let first = part.first, first.t < since { break }
    }
    return found
  }

  /// Hands every event after a position to `body` and returns the position after the last whole line.
  func read(from start: Position, onlySegment: Bool = false, _ body: (LogRecord) throws -> Void) throws -> Position {
    var position = start
    while true {
      let known = try segments()
      // Rotation may have removed the segment: go on with the oldest that is left.
      if !known.contains(position.segment) {
        guard let next = known.first(where: { $0 > position.segment }) else { return position }
        position = Position(segment: next, offset: 0)
      }
      do {
        position.offset = try readSegment(position, body)
      } catch let error as SyscallError where error.errno == ENOENT {
        continue
      }
      guard !onlySegment, let next = known.first(where: { $0 > position.segment }) else { return position }
      position = Position(segment: next, offset: 0)
    }
  }

  private func readSegment(_ position: Position, _ body: (LogRecord) throws -> Void) throws -> Int {
    let file = try open(position.segment)
    var offset = position.offset
    var rest: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = chunk.withUnsafeMutableBytes { pread(file.raw, $0.baseAddress, $0.count, off_t(offset + rest.count)) }
      if count < 0 { throw SyscallError(call: "pread", object: "the log", errno: errno) }
      if count == 0 { return offset }
      rest += chunk.prefix(count)
      var start = 0
      while let end = rest[start...].firstIndex(of: 0x0a) {
        if let record = try? JSONCoding.decode(LogRecord.self, from: rest[start..<end]) { try body(record) }
        offset += end + 1 - start
        start = end + 1
      }
      rest.removeFirst(start)
      if rest.count > Self.longestLine {
        offset += rest.count
        rest = []
      }
    }
  }
}

extension LogReader {
  /// The position after the last whole line.
  func end() throws -> Position {
    guard let newest = try segments().last else { return Position(segment: 0, offset: 0) }
    return try read(from: Position(segment: newest, offset: 0)) { _ in }
  }
}
