// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LinuxKernel

/// The signals that PID 1 takes by descriptor: its children's ends, and whatever is to be forwarded.
enum SignalDescriptor {
  static let forwarded: [Int32] = [
    SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGALRM, SIGURG,
  ]

  static func open() throws(SyscallError) -> Descriptor {
    let signals = forwarded + [SIGCHLD]
    let result = cl_signal_descriptor(signals, signals.count)
    if result < 0 { throw SyscallError(call: "signalfd", object: "PID 1", errno: -result) }
    return Descriptor(owning: result)
  }
}
