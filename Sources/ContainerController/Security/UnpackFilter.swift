// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CSeccomp
import Glibc
import LinuxKernel

/// The system calls that are left to the process that unpacks an archive; any other ends it.
enum UnpackFilter {
  private static let allowed = """
    read pread64 write pwrite64 writev lseek close fstat newfstatat statx fcntl openat openat2 mkdirat linkat symlinkat
    unlinkat readlinkat fchown fchownat fchmod fchmodat utimensat ftruncate mmap munmap mremap mprotect brk madvise
    futex rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack getrandom clock_gettime gettimeofday exit exit_group
    sendmsg recvmsg sched_yield getpid gettid tgkill getuid geteuid getgid getegid umask sysinfo set_robust_list rseq
    """.split(whereSeparator: \.isWhitespace).map(String.init)

  /// Loads the filter for the calling thread, which must be the only one.
  static func load() throws(SyscallError) {
    guard let context = seccomp_init(0x8000_0000) else {
      throw SyscallError(call: "seccomp_init", object: "the unpacker", errno: ENOMEM)
    }
    defer { seccomp_release(context) }
    for name in allowed {
      let number = seccomp_syscall_resolve_name(name)
      if number == __NR_SCMP_ERROR { continue }
      let result = seccomp_rule_add_array(context, 0x7fff_0000, number, 0, nil)
      if result < 0 { throw SyscallError(call: "seccomp_rule_add \(name)", object: "the unpacker", errno: -result) }
    }
    let result = seccomp_load(context)
    if result < 0 { throw SyscallError(call: "seccomp_load", object: "the unpacker", errno: -result) }
  }
}
