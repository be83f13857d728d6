// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Where the kernel's files are; elsewhere in tests.
public struct KernelRoots: Sendable, Hashable {
  public var proc: String
  public var sys: String
  /// The directory of `etc/os-release`.
  public var etc: String

  public init(proc: String = "/proc", sys: String = "/sys", etc: String = "/etc") {
    self.proc = proc
    self.sys = sys
    self.etc = etc
  }
}
