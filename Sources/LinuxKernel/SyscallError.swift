// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// A system call that failed: which, on what, and with which `errno`.
public struct SyscallError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The call's name as in section 2 of the manual, for instance `openat2`.
  public var call: String
  /// What it was applied to: a path, a pid, a mount.
  public var object: String
  /// The positive `errno`.
  public var errno: Int32
  /// What the kernel said beyond the number, for instance a message of the mount interface.
  public var detail: String?

  public init(call: String, object: String, errno: Int32, detail: String? = nil) {
    self.call = call
    self.object = object
    self.errno = errno
    self.detail = detail
  }

  /// `mount_setattr on /srv/x: Operation not permitted (EPERM)`.
  public var description: String {
    let text = "\(call) on \(object): \(Self.words(for: errno))"
    return detail.map { "\(text): \($0)" } ?? text
  }

  /// The sentence and the constant of an `errno`: `No such file or directory (ENOENT)`.
  public static func words(for errno: Int32) -> String {
    guard let text = cl_errno_text(errno), let name = cl_errno_name(errno) else { return "error \(errno)" }
    return "\(String(cString: text)) (\(String(cString: name)))"
  }
}

/// Turns the shim's convention, a negated `errno`, into a thrown error.
@discardableResult
@inline(__always)
func check<Result: FixedWidthInteger & SignedInteger>(
  _ result: Result, _ call: String, _ object: @autoclosure () -> String
) throws(SyscallError) -> Result {
  if result >= 0 { return result }
  throw SyscallError(call: call, object: object(), errno: Int32(-result))
}

/// The same for calls of the C library that return -1 and set `errno`.
@discardableResult
@inline(__always)
func checkErrno<Result: FixedWidthInteger & SignedInteger>(
  _ result: Result, _ call: String, _ object: @autoclosure () -> String
) throws(SyscallError) -> Result {
  if result >= 0 { return result }
  let error = errno
  throw SyscallError(call: call, object: object(), errno: error)
}
