// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Synchronization

/// Where a process's input is written to, until it is closed: only when no owner is left does the process see the end.
final class ExecInput: Sendable {
  private let descriptor: Mutex<SharedDescriptor?>

  init(_ descriptor: SharedDescriptor) { self.descriptor = Mutex(descriptor) }

  /// The descriptor to wait for, -1 when it is closed.
  var raw: Int32 { descriptor.withLock { $0?.raw ?? -1 } }
  var isOpen: Bool { raw >= 0 }

  func close() { descriptor.withLock { $0 = nil } }
}
