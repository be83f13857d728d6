// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import CSeccomp
import Glibc
import LinuxKernel
import Synchronization

/// Turns a profile into a program for the kernel, once: compiling takes milliseconds, starting a container one or two.
enum SeccompCompiler {
  private static let compiled = Mutex<[Bool: [UInt8]]>([:])

  /// The default profile's program, eight bytes an instruction.
  ///
  /// - Parameter readingKeys: with what reads the keys of a session keyring, for a container that has one of its own.
  static func defaultProgram(readingKeys: Bool = false) throws(SyscallError) -> [UInt8] {
    if let program = compiled.withLock({ $0[readingKeys] }) { return program }
    let program = try compile(readingKeys: readingKeys)
    compiled.withLock { $0[readingKeys] = program }
    return program
  }

  private static func compile(readingKeys: Bool) throws(SyscallError) -> [UInt8] {
    guard let context = seccomp_init(errorAction(EPERM)) else {
      throw SyscallError(call: "seccomp_init", object: "the default profile", errno: ENOMEM)
    }
    defer { seccomp_release(context) }
    #if arch(x86_64)
      // Programs for 32-bit x86 must not get round the filter. The calls of x32, which nothing is built for any more,
      // do not exist in a container.
      try check(seccomp_arch_add(context, UInt32(SCMP_ARCH_X86)), "seccomp_arch_add")
      try check(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, errorAction(ENOSYS)), "seccomp_attr_set")
    #endif
    // A binary tree: a handful of comparisons for a call instead of hundreds.
    try check(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "seccomp_attr_set")
    let allow = allowAction
    for name in SeccompProfile.allowed { try add(context, allow, name, []) }
    for value in SeccompProfile.personalities {
      try add(context, allow, "personality", [comparison(0, SCMP_CMP_EQ, value)])
    }
    try add(context, allow, "clone", [comparison(0, SCMP_CMP_MASKED_EQ, SeccompProfile.namespaceFlags, 0)])
    // Its flags stand in memory, where a filter cannot see them; the C library then takes clone.
    try add(context, errorAction(ENOSYS), "clone3", [])
    try add(context, allow, "socket", [comparison(0, SCMP_CMP_NE, SeccompProfile.addressFamilyVsock)])
    if readingKeys {
      for operation in SeccompProfile.keyReading {
        try add(context, allow, "keyctl", [comparison(0, SCMP_CMP_EQ, operation)])
      }
    }
    return try export(context)
  }

  private static let allowAction: UInt32 = 0x7fff_0000

  private static func errorAction(_ errno: Int32) -> UInt32 { 0x0005_0000 | UInt32(errno) }

  private static func comparison(_ argument: UInt32, _ operation: scmp_compare, _ a: UInt64, _ b: UInt64 = 0)
    -> scmp_arg_cmp
  {
    scmp_arg_cmp(arg: argument, op: operation, datum_a: a, datum_b: b)
  }

  private static func add(_ context: scmp_filter_ctx, _ action: UInt32, _ name: String, _ arguments: [scmp_arg_cmp])
    throws(SyscallError)
  {
    let number = seccomp_syscall_resolve_name(name)
    // This architecture, or this libseccomp, does not have the call; then the default action holds.
    if number == __NR_SCMP_ERROR { return }
    let result = seccomp_rule_add_array(context, action, number, UInt32(arguments.count), arguments)
    if result < 0 && result != -EDOM { try check(result, "seccomp_rule_add \(name)") }
  }

  private static func export(_ context: scmp_filter_ctx) throws(SyscallError) -> [UInt8] {
    let file = Descriptor(owning: cl_memfd("seccomp"))
    try check(file.raw, "memfd_create")
    try check(seccomp_export_bpf(context, file.raw), "seccomp_export_bpf")
    lseek(file.raw, 0, SEEK_SET)
    return try FileSystem.readAll(file.raw, limit: 65536 * 8, object: "the seccomp program")
  }

  private static func check(_ result: Int32, _ call: String) throws(SyscallError) {
    if result < 0 { throw SyscallError(call: call, object: "the default profile", errno: -result) }
  }
}
