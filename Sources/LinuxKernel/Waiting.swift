// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// poll(2) over a few descriptors.
public struct PollSet {
  private var entries: [cl_poll] = []
  public init() {}

  /// Adds a descriptor and returns its index.
  @discardableResult
  public mutating func add(_ descriptor: Int32, writing: Bool = false) -> Int {
    let events = Int16(writing ? CL_POLL_IN | CL_POLL_OUT : CL_POLL_IN)
    entries.append(cl_poll(fd: descriptor, events: events, revents: 0))
    return entries.count - 1
  }

  /// Waits until one is ready; `milliseconds` -1 waits for ever. False when the time passed.
  public mutating func wait(milliseconds: Int32 = -1) throws(SyscallError) -> Bool {
    try check(cl_poll(&entries, entries.count, milliseconds), "poll", "\(entries.count) descriptors") > 0
  }

  /// Readable, at its end, or failed: a read will not block.
  public func isReadable(_ index: Int) -> Bool {
    entries[index].revents & Int16(CL_POLL_IN | CL_POLL_HUP | CL_POLL_ERR) != 0
  }

  public func isWritable(_ index: Int) -> Bool { entries[index].revents & Int16(CL_POLL_OUT) != 0 }
}

/// Clocks without Foundation.
public enum Clock {
  /// Microseconds since 1970-01-01T00:00:00Z (clock_gettime(2), `CLOCK_REALTIME`).
  public static func wallMicroseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }

  /// Nanoseconds since boot, without time asleep (`CLOCK_MONOTONIC`).
  public static func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
