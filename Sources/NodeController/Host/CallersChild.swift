// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import JSONRPC
import LinuxKernel

/// A process that the caller of a host call says is its child, after that was checked.
///
/// The pid is never trusted: everything goes through the pidfd and through a descriptor of the process's directory in
/// `/proc`, which stays with the process and fails once it is gone.
struct CallersChild {
  let pid: Int32
  /// Clock ticks since boot (proc(5), field 22 of stat).
  let startTime: UInt64
  private let pidfd: SharedDescriptor
  private let directory: SharedDescriptor

  /// - Throws: `permission denied` unless the process lives, is the caller's own child, and has a user namespace of its
  ///   own that the caller made.
  init(_ pidfd: SharedDescriptor, of peer: Peer) throws {
    let pid: Int32
    do {
      pid = try Pidfd.pid(of: pidfd.raw)
    } catch {
      throw RPCError(.invalidParams, "the descriptor that came with the call is no pidfd")
    }
    guard pid > 0 else { throw RPCError(.wrongState, "the process has ended") }
    self.pid = pid
    self.pidfd = pidfd
    directory = SharedDescriptor(
      try FileSystem.open("/proc/\(pid)", flags: FileSystem.pathOnly | O_DIRECTORY))
    let identity = try ProcessStatus.identity(of: pid)
    startTime = identity.startTime
    guard identity.parent == peer.credentials.pid else {
      throw RPCError(
        .permissionDenied, "process \(pid) is a child of \(identity.parent), not of the caller \(peer.credentials.pid)")
    }
    let namespace = try namespace("user")
    var owner: UInt32 = 0
    let result = cl_user_namespace_owner(namespace.raw, &owner)
    guard result == 0, owner == peer.credentials.uid else {
      throw RPCError(.permissionDenied, "process \(pid) is not in a user namespace that the caller made")
    }
    let own = try FileSystem.open("/proc/self/ns/user", flags: O_RDONLY)
    guard try FileSystem.status(of: namespace.raw).inode != FileSystem.status(of: own.raw).inode else {
      throw RPCError(.permissionDenied, "process \(pid) is in the host's user namespace")
    }
    try checkAlive()
  }

  /// Throws once the process has ended: the directory was then perhaps another's.
  func checkAlive() throws {
    var poll = PollSet()
    poll.add(pidfd.raw)
    if try poll.wait(milliseconds: 0) { throw RPCError(.wrongState, "process \(pid) has ended") }
  }

  func namespace(_ kind: String) throws(SyscallError) -> Descriptor {
    try FileSystem.open("ns/\(kind)", in: directory.raw, flags: O_RDONLY)
  }

  /// `/dev/fuse`, for a file-system of this process's own user namespace: the kernel mounts it there alone
  /// (fs/fuse/inode.c, `fuse_fill_super`), so that it is neither seen nor trusted outside.
  func openFileSystemDevice() throws -> SharedDescriptor {
    let path = "/dev/fuse"
    let namespace = try namespace("user")
    let fd = cl_open_in_user_namespace(namespace.raw, path, O_RDWR, 5)
    guard fd >= 0 else {
      throw RPCError(
        .kernelRefused,
        "\(path) cannot be opened for the identity's files: \(SyscallError.words(for: -fd)); is the kernel's module fuse there (modprobe fuse)? Without files an identity needs none."
      )
    }
    return SharedDescriptor(Descriptor(owning: fd))
  }

  /// Writes both id maps: `0` inside is `first` outside. The kernel takes them once.
  func map(first: UInt32, count: UInt32) throws(SyscallError) {
    try FileSystem.write("0 \(first) \(count)", toExisting: "uid_map", in: directory.raw)
    try FileSystem.write("0 \(first) \(count)", toExisting: "gid_map", in: directory.raw)
  }
}
