// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// What a process does that has others' keys in its memory.
enum ProcessSecrecy {
  /// No core dump, and no reading of its memory by others of the same user (prctl(2), `PR_SET_DUMPABLE`; proc(5), `/proc/PID/mem`).
  static func begin() {
    cl_prctl(CL_PR_SET_DUMPABLE, 0, 0, 0, 0)
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  }
}
