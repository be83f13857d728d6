// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// Bytes that are never swapped (mlock(2)), dumped, or inherited by a child (madvise(2)), and wiped at their end.
///
/// What is in them is reached by pointers alone: a copy in an array would stay behind.
public final class LockedBytes: @unchecked Sendable {
  // Written by its maker only, before anybody else has it.
  private let pages: UnsafeMutableRawPointer
  private let size: Int
  public let count: Int

  /// - Throws: `ENOMEM` or `EPERM` where more may not be locked (`RLIMIT_MEMLOCK`).
  public init(count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
    self.count = count
    size = max(4096, (count + 4095) & ~4095)
    var error: Int32 = 0
    guard let pages = cl_locked_pages(size, &error) else {
      throw SyscallError(call: "mlock", object: "\(size) bytes", errno: error)
    }
    self.pages = pages
    do {
      try fill(UnsafeMutableRawBufferPointer(start: pages, count: count))
    } catch {
      cl_unmap_locked(pages, size)
      throw error
    }
  }

  /// Random bytes (getrandom(2)).
  public static func random(_ count: Int) throws -> LockedBytes {
    try LockedBytes(count: count) { try check(cl_random($0.baseAddress, $0.count), "getrandom", "a secret") }
  }

  deinit { cl_unmap_locked(pages, size) }

  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try body(UnsafeRawBufferPointer(start: pages, count: count))
  }

  /// Overwrites the bytes of an array, where nobody else has them.
  public static func wipe(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { cl_wipe($0.baseAddress, $0.count) }
    bytes = []
  }
}
