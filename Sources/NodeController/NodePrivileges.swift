// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import JSONRPC
import LinuxKernel

/// What the node controller keeps of root's capabilities.
public enum NodePrivileges {
  /// Mounts and namespaces, the network, files and ids of containers, and to take capabilities from those it starts.
  /// `CAP_SYS_NICE`, because a process with capabilities of its own enters another cpuset only by somebody who has it
  /// (sched_setaffinity(2); cgroup v2 asks the same).
  public static let needed: CapabilitySet = [
    .chown, .dacOverride, .dacReadSearch, .fileOwner, .fileSetId, .kill, .setGid, .setUid, .setPcap, .netAdmin,
    .sysPtrace, .sysAdmin, .sysNice,
  ]

  /// What it keeps, where it has it, only to give it to sub-systems that it starts itself.
  public static let lendable: CapabilitySet = [
    .netBindService, .netRaw, .ipcLock, .sysChroot, .sysResource, .auditWrite,
  ]

  /// Drops all others, from the bounding set too. Must come before the process has a second thread: capabilities belong
  /// to threads (capabilities(7)).
  public static func drop() throws {
    let permitted = try CapabilitySet.permitted()
    guard permitted.isSuperset(of: needed) else {
      throw RPCError(
        .permissionDenied,
        "the node controller needs root with \(needed.subtracting(permitted).memberNames.joined(separator: ", ")); start it as root"
      )
    }
    let kept = needed.union(lendable.intersection(permitted))
    func check(_ result: Int32, _ call: String) throws {
      if result < 0 { throw SyscallError(call: call, object: "this process", errno: -result) }
    }
    try check(cl_bound_capabilities(kept.rawValue), "prctl(PR_CAPBSET_DROP)")
    try check(cl_capset(kept.rawValue, kept.rawValue, 0), "capset")
    try check(cl_prctl(CL_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
  }
}
