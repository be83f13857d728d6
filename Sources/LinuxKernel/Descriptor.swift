// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// An open file descriptor with one owner, closed when the owner lets it go.
///
/// A negative number stands for no descriptor; the recording kernel uses such numbers, so that nothing is closed.
public struct Descriptor: ~Copyable, Sendable {
  /// The number, valid as long as this value lives.
  public let raw: Int32

  /// Takes over `raw`.
  public init(owning raw: Int32) { self.raw = raw }

  deinit {
    if raw >= 0 { Glibc.close(raw) }
  }

  /// Gives the number away; the caller closes it.
  public consuming func take() -> Int32 {
    let number = raw
    discard self
    return number
  }

  /// Closes now, and reports what a file-system only says on close.
  public consuming func close() throws(SyscallError) {
    let number = raw
    discard self
    guard number >= 0 else { return }
    if Glibc.close(number) < 0 && errno != EINTR {
      throw SyscallError(call: "close", object: "descriptor \(number)", errno: errno)
    }
  }

  /// A second descriptor of the same open file, close-on-exec.
  public borrowing func duplicate() throws(SyscallError) -> Descriptor {
    Descriptor(owning: try check(cl_dup_above(raw, 3), "fcntl(F_DUPFD_CLOEXEC)", "descriptor \(raw)"))
  }
}

/// A descriptor with several owners, closed when the last one lets it go.
public final class SharedDescriptor: Sendable {
  private let descriptor: Descriptor
  public var raw: Int32 { descriptor.raw }

  public init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

  public func duplicate() throws(SyscallError) -> Descriptor { try descriptor.duplicate() }
}

extension Descriptor {
  /// A second, blocking descriptor of an open file that somebody else owns and keeps.
  public static func copy(of raw: Int32) throws(SyscallError) -> Descriptor {
    Descriptor(owning: try check(cl_dup_above(raw, 3), "fcntl(F_DUPFD_CLOEXEC)", "descriptor \(raw)"))
  }

  /// Sets or clears `O_NONBLOCK`, which all descriptors of one open file share.
  public static func setNonblocking(_ raw: Int32, _ on: Bool) throws(SyscallError) {
    try check(cl_set_nonblocking(raw, on), "fcntl(F_SETFL)", "descriptor \(raw)")
  }
}
