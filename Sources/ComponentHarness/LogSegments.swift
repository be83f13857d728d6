// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LaunchPlan
import LinuxKernel

/// Where a log event came from.
public enum LogStream: String, Sendable {
  case out = "stdout"
  case error = "stderr"
  /// PID 1 itself.
  case harness
}

/// The container's log: files `log.000001`, `log.000002`, … of one JSON object a line, append-only, rotated by size.
///
/// A line is `{"t":MICROSECONDS,"s":"stdout","m":"text"}`; `"p":true` marks a line that was too long or had no end and
/// goes on in the next event; a text that is no UTF-8 stands as base64 in `b` instead of `m`.
public struct LogSegments: ~Copyable {
  private let directory: Int32
  private let settings: LaunchPlan.Log
  private var file: Descriptor?
  private var number: UInt64 = 0
  private var size: UInt64 = 0
  private var buffer: [UInt8] = []
  private var lost: UInt64 = 0
  private var lastError = ""
  private var journal: JournalSender?

  /// `directory` is borrowed and must outlive this value.
  public init(directory: Int32, settings: LaunchPlan.Log, journal: JournalSender? = nil) {
    self.directory = directory
    self.journal = journal
    self.settings = settings
  }

  /// Adds an event; it reaches the file with the next ``flush()``.
  public mutating func append(_ text: some Collection<UInt8>, stream: LogStream, partial: Bool, time: Int64) {
    LogLine.encode(text, stream: stream, partial: partial, time: time, to: &buffer)
    journal?.send(text, stream: stream)
  }

  /// Writes what was added. When the disk is full the events are counted as lost, and the loss is logged as soon as
  /// there is room: the workload is never held up by its log.
  public mutating func flush() {
    guard !buffer.isEmpty else { return }
    defer { buffer.removeAll(keepingCapacity: buffer.capacity <= 64 << 10) }
    do {
      try openIfNeeded()
      if lost > 0 {
        var note: [UInt8] = []
        LogLine.encode(
          "\(lost) log events were lost: \(lastError)".utf8, stream: .harness, partial: false,
          time: Clock.wallMicroseconds(), to: &note)
        try write(note)
        lost = 0
      }
      try write(buffer)
      if size >= settings.segmentBytes { rotate() }
    } catch {
      lost += UInt64(buffer.reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) })
      lastError = SyscallError.words(for: error.errno)
    }
  }

  mutating func note(_ text: String) {
    append(text.utf8, stream: .harness, partial: false, time: Clock.wallMicroseconds())
    flush()
  }

  /// Appends whole lines or none: what a failing write left of a line is cut off again.
  private mutating func write(_ bytes: [UInt8]) throws(SyscallError) {
    guard let number = file?.raw else { return }
    do {
      try FileSystem.write(bytes, to: number, object: "the log")
      size += UInt64(bytes.count)
    } catch {
      ftruncate(number, off_t(size))
      throw error
    }
  }

  private mutating func openIfNeeded() throws(SyscallError) {
    if file != nil { return }
    if number == 0 {
      number = (try FileSystem.names(in: directory)).compactMap(LogSegmentName.number).max() ?? 1
    }
    let opened = try FileSystem.open(
      LogSegmentName.name(number), in: directory, flags: O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, mode: 0o640)
    size = UInt64(max(0, try FileSystem.status(of: opened.raw).size))
    file = consume opened
  }

  private mutating func rotate() {
    file = nil
    number += 1
    guard number > UInt64(settings.segments) else { return }
    let oldest = number - UInt64(settings.segments)
    for name in (try? FileSystem.names(in: directory)) ?? [] {
      if let old = LogSegmentName.number(name), old <= oldest { try? FileSystem.remove(name, in: directory) }
    }
  }
}
