// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LinuxKernel

/// The node controller's own mount namespace: what it attaches for a moment is seen by nobody, and goes with it when it
/// is killed. What the host mounts and unmounts still comes through.
public enum NodeNamespace {
  /// Must come before the process has a second thread.
  public static func enter() throws(SyscallError) {
    let separated = cl_unshare(UInt64(CL_NEWNS))
    if separated < 0 { throw SyscallError(call: "unshare(CLONE_NEWNS)", object: "this process", errno: -separated) }
    let result = cl_mount_setattr(AT_FDCWD, "/", UInt32(CL_AT_RECURSIVE), 0, 0, UInt64(CL_MS_SLAVE), -1)
    if result < 0 { throw SyscallError(call: "mount_setattr", object: "/", errno: -result) }
  }
}
