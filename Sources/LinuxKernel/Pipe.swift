// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux

/// The two ends of a pipe(2), close-on-exec.
public struct Pipe: Sendable {
  public let reading: SharedDescriptor
  public let writing: SharedDescriptor

  public init() throws(SyscallError) {
    var ends: [Int32] = [-1, -1]
    try check(cl_pipe(&ends), "pipe2", "a pipe")
    reading = SharedDescriptor(Descriptor(owning: ends[0]))
    writing = SharedDescriptor(Descriptor(owning: ends[1]))
  }
}
