// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel

/// Events on disk: files `log.000001`, `log.000002`, … of one JSON object a line, append-only, the oldest removed.
///
/// What was written survives the process at once, and the machine as far as its file-system does.
struct EventJournal {
  private let directory: String
  private let segmentBytes: Int
  private let segments: UInt64
  private var number: UInt64 = 1
  private var file: SharedDescriptor
  private var size = 0
  /// The highest sequence number on disk.
  private(set) var last: UInt64
  /// Events that could not be written since the last one that could.
  private(set) var lost = 0

  /// Opens the journal, made if needed. A line that a full disk or a crash has cut is cut off.
  init(directory: String, segmentBytes: Int = 1 << 20, segments: Int = 8) throws {
    try FileSystem.makeDirectories(directory, mode: 0o750)
    self.directory = directory
    self.segmentBytes = segmentBytes
    self.segments = UInt64(segments)
    let known = try Self.numbers(directory)
    let newest = known.last ?? 1
    number = newest
    var highest: UInt64 = 0
    for segment in known.reversed() where highest == 0 {
      try Self.read("\(directory)/\(LogSegmentName.name(segment))") { highest = max(highest, $0.sequence) }
    }
    last = highest
    file = try Self.open(directory, newest)
    let text = try FileSystem.read("\(directory)/\(LogSegmentName.name(newest))", limit: 64 << 20)
    size = (text.lastIndex(of: 0x0a) ?? -1) + 1
    if size < text.count { ftruncate(file.raw, off_t(size)) }
  }

  private static func open(_ directory: String, _ number: UInt64) throws(SyscallError) -> SharedDescriptor {
    SharedDescriptor(
      try FileSystem.open(
        "\(directory)/\(LogSegmentName.name(number))", flags: O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, mode: 0o640))
  }

  private static func numbers(_ directory: String) throws(SyscallError) -> [UInt64] {
    try FileSystem.names(in: directory).compactMap(LogSegmentName.number).sorted()
  }

  private static func read(_ path: String, _ body: (AgentEvent) -> Void) throws {
    for line in try FileSystem.read(path, limit: 64 << 20).split(separator: 0x0a) {
      if let event = try? JSONCoding.decode(AgentEvent.self, from: line) { body(event) }
    }
  }

  /// Writes an event, whole or not at all; one that does not fit on the disk is counted in ``lost``.
  mutating func append(_ event: AgentEvent) {
    do {
      if size >= segmentBytes { try rotate() }
      let bytes = try JSONCoding.encode(event) + [0x0a]
      do {
        try FileSystem.write(bytes, to: file.raw, object: "the events")
      } catch {
        ftruncate(file.raw, off_t(size))
        throw error
      }
      size += bytes.count
      last = event.sequence
      lost = 0
    } catch {
      lost += 1
    }
  }

  private mutating func rotate() throws {
    file = try Self.open(directory, number + 1)
    number += 1
    size = 0
    for old in try Self.numbers(directory) where old + segments <= number {
      try FileSystem.remove("\(directory)/\(LogSegmentName.name(old))")
    }
  }

  /// The first events after a sequence number, and the number of the oldest one on disk.
  static func next(after: UInt64, most: Int, in directory: String) throws -> ([AgentEvent], earliest: UInt64) {
    var segments: [(path: String, first: UInt64)] = []
    for number in try numbers(directory) {
      let path = "\(directory)/\(LogSegmentName.name(number))"
      if let first = try firstSequence(path) { segments.append((path, first)) }
    }
    guard let oldest = segments.first else { return ([], after + 1) }
    // The last one that begins at or before what is asked for, and those behind it.
    let start = segments.lastIndex { $0.first <= after + 1 } ?? 0
    var found: [AgentEvent] = []
    for segment in segments[start...] where found.count < most {
      do {
        try read(segment.path) { event in
          if event.sequence > after, found.count < most { found.append(event) }
        }
      } catch let error as SyscallError where error.errno == ENOENT {
        continue  // it was the oldest, and has just been removed
      }
    }
    return (found, oldest.first)
  }

  /// Of a segment's first event; `nil` where there is none.
  private static func firstSequence(_ path: String) throws -> UInt64? {
    do {
      var head = [UInt8](repeating: 0, count: 64 << 10)
      let file = try FileSystem.open(path, flags: O_RDONLY)
      let count = try FileSystem.read(file.raw, into: &head)
      let line = head.prefix(count).prefix { $0 != 0x0a }
      if let event = try? JSONCoding.decode(AgentEvent.self, from: line) { return event.sequence }
      // A longer one, or one that somebody has spoilt: the first of those that can be read.
      var first: UInt64?
      try read(path) { first = first ?? $0.sequence }
      return first
    } catch let error as SyscallError where error.errno == ENOENT {
      return nil  // it was the oldest, and has just been removed
    }
  }

  /// The last `count` events that `accepts` takes, oldest first.
  static func last(_ count: Int, in directory: String, _ accepts: (AgentEvent) -> Bool) throws -> [AgentEvent] {
    var found: [AgentEvent] = []
    for segment in try numbers(directory).reversed() {
      var part: [AgentEvent] = []
      do {
        try read("\(directory)/\(LogSegmentName.name(segment))") { if accepts($0) { part.append($0) } }
      } catch let error as SyscallError where error.errno == ENOENT {
        continue  // it was the oldest, and has just been removed
      }
      found = part.suffix(count - found.count) + found
      if found.count >= count { break }
    }
    return found
  }
}
