// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// A pidfd with several users.
public final class HeldProcess: Sendable {
  public let pidfd: Pidfd
  public var pid: Int32 { pidfd.pid }
  /// False for one that only an earlier parent can reap.
  public let isChild: Bool

  public init(_ pidfd: consuming Pidfd, isChild: Bool) {
    self.pidfd = pidfd
    self.isChild = isChild
  }

  /// Holds a running process that is not, or need not be, a child.
  public convenience init(opening pid: Int32) throws(SyscallError) {
    self.init(try Pidfd(opening: pid), isChild: false)
  }

  /// Sends a signal; false when the process has ended.
  @discardableResult
  public func signal(_ number: Int32) throws(SyscallError) -> Bool {
    do {
      try pidfd.signal(number)
      return true
    } catch {
      if error.errno == ESRCH { return false }
      throw error
    }
  }
}
