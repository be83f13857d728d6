// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel

/// Reads the log segments of one container. Lines that are no events are passed over: a container cannot write here,
/// but a full disk can cut a line.
public struct LogReader: Sendable {
  let directory: String

  /// - Parameter directory: where the segments are.
  public init(directory: String) { self.directory = directory }

  /// A place in the log: a segment and a byte in it.
  struct Position: Sendable, Equatable {
    var segment: UInt64
    var offset: Int
  }

  /// The longest line that is read; PID 1 writes none of this length.
  private static let longestLine = 1 << 20

  /// Bytes of text in one answer: a log may be larger than the controller's memory.
  private static let mostBytes = 8 << 20

  /// The last events, not more than `count` and ``mostBytes``.
  private static func tail(of records: [LogRecord], count: Int) -> [LogRecord] {
    var bytes = 0
    let kept = records.reversed().prefix(count).prefix { record in
      bytes += record.text.utf8.count
      return bytes <= mostBytes
    }
    return kept.reversed()
  }

  func segments() throws(SyscallError) -> [UInt64] {
    do {
      return try FileSystem.names(in: directory).compactMap(LogSegmentName.number).sorted()
    } catch {
      // What has never run has no log.
      if error.errno == ENOENT { return [] }
      throw error
    }
  }

  private func open(_ segment: UInt64) throws(SyscallError) -> Descriptor {
    try FileSystem.open(
      "\(directory)/\(LogSegmentName.name(segment))", flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  }

  /// The last `count` events that `filter` accepts, oldest first.
  public func last(_ count: Int, _ filter: LogFilter) throws -> [LogRecord] {
    var found: [LogRecord] = []
    for segment in try segments().reversed() {
      var part: [LogRecord] = []
      var bytes = 0
      _ = try read(from: Position(segment: segment, offset: 0), onlySegment: true) { record in
        guard filter.accepts(record) else { return true }
        part.append(record)
        bytes += record.text.utf8.count
        if part.count > 2 * count + 1024 || bytes > 2 * Self.mostBytes {
          part = Self.tail(of: part, count: count)
          bytes = part.reduce(0) { $0 + $1.text.utf8.count }
        }
        return true
      }
      let wanted = part.suffix(count - found.count) + found
      found = Self.tail(of: Array(wanted), count: count)
      if found.count >= count || found.count < wanted.count { break }
      // Events stand in the order of their times: older segments have nothing newer than `since`.
      if let since = filter.since, let first = part.first, first.t < since { break }
    }
    return found
  }

  /// Hands the events after a position to `body` until it says that it has enough, and returns the position after the
  /// last one.
  func read(from start: Position, onlySegment: Bool = false, _ body: (LogRecord) throws -> Bool) throws -> Position {
    var position = start
    while true {
      let known = try segments()
      // Rotation may have removed the segment: go on with the oldest that is left.
      if !known.contains(position.segment) {
        guard let next = known.first(where: { $0 > position.segment }) else { return position }
        position = Position(segment: next, offset: 0)
      }
      do {
        let (offset, enough) = try readSegment(position, body)
        position.offset = offset
        if enough { return position }
      } catch let error as SyscallError where error.errno == ENOENT {
        continue
      }
      guard !onlySegment, let next = known.first(where: { $0 > position.segment }) else { return position }
      position = Position(segment: next, offset: 0)
    }
  }

  private func readSegment(_ position: Position, _ body: (LogRecord) throws -> Bool) throws -> (Int, enough: Bool) {
    let file = try open(position.segment)
    var offset = position.offset
    var rest: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = chunk.withUnsafeMutableBytes { pread(file.raw, $0.baseAddress, $0.count, off_t(offset + rest.count)) }
      if count < 0 { throw SyscallError(call: "pread", object: "the log", errno: errno) }
      if count == 0 { return (offset, false) }
      rest += chunk.prefix(count)
      var start = 0
      while let end = rest[start...].firstIndex(of: 0x0a) {
        let record = try? JSONCoding.decode(LogRecord.self, from: rest[start..<end])
        offset += end + 1 - start
        start = end + 1
        if let record, try !body(record) { return (offset, true) }
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
    return try read(from: Position(segment: newest, offset: 0)) { _ in true }
  }
}
