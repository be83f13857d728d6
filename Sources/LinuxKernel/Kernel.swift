// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What must be there when a path inside a root file-system is resolved.
public enum ResolvedKind: UInt8, Sendable, Equatable, Hashable {
  /// The path must exist.
  case existing = 0
  /// A directory, made where it is missing.
  case directory = 1
  /// A regular file, made empty where it is missing.
  case file = 2
}

/// The privileged steps of the agent, one method each, so that what is done in which order is tested without root.
///
/// ``LiveKernel`` does them, ``RecordingKernel`` writes them down. Descriptors in parameters are borrowed.
public protocol Kernel: Sendable {
  // MARK: mounts

  /// A new file-system, not attached anywhere (fsopen(2), fsmount(2)).
  func newFileSystem(type: String, options: [MountOption], attributes: MountAttributes) throws(SyscallError)
    -> Descriptor
  /// A detached copy of the mount at `path` (open_tree(2)); an empty path copies what `directory` is.
  func cloneMount(_ path: String, in directory: Int32, recursive: Bool) throws(SyscallError) -> Descriptor
  /// Changes attributes; with a user namespace, makes the mount id-mapped (mount_setattr(2)).
  func setAttributes(_ attributes: MountAttributes, of mount: Int32, recursive: Bool, userNamespace: Int32?)
    throws(SyscallError)
  /// Attaches a detached mount on an open file or directory (move_mount(2)).
  func attach(_ mount: Int32, onto target: Int32) throws(SyscallError)
  /// Takes a mount away from where it is attached; it lives on where it is in use (umount2(2), `MNT_DETACH`).
  func detach(_ path: String) throws(SyscallError)
  /// Stops mounts of this mount namespace from reaching others and theirs from reaching it.
  func makeMountsPrivate() throws(SyscallError)
  /// Attaches a detached mount over `/`, below which mounts can then be made; paths still lead to the old root.
  /// Kernels before 6.15 mount nothing below what is attached nowhere.
  func attachRoot(_ mount: Int32) throws(SyscallError)
  /// Makes a mount that is attached over `/` the root, everything else unmounted (pivot_root(2)).
  func enterRoot(_ mount: Int32) throws(SyscallError)

  // MARK: inside a root file-system, links never followed out of it

  func resolve(_ path: String, root: Int32, kind: ResolvedKind) throws(SyscallError) -> Descriptor
  func status(of descriptor: Int32) throws(SyscallError) -> FileStatus
  func fileSystemMagic(of descriptor: Int32) throws(SyscallError) -> Int64
  func makeSymbolicLink(_ path: String, to target: String, root: Int32) throws(SyscallError)
  /// Replaces a file; a link at its place is removed, never followed.
  func writeFile(_ path: String, root: Int32, bytes: [UInt8], mode: UInt32) throws(SyscallError)

  // MARK: namespaces and the process

  /// Moves the calling process, which has one thread, into the v1 cgroup whose `tasks` file is open.
  func joinCgroup(_ tasks: Int32) throws(SyscallError)
  func unshareCgroupNamespace() throws(SyscallError)
  func setHostname(_ name: String) throws(SyscallError)
  func bringUp(interface: String) throws(SyscallError)

  // MARK: the host's files

  /// Writes to an existing file of procfs or of a cgroup in one write.
  func write(_ text: String, to path: String) throws(SyscallError)
  func read(_ path: String) throws(SyscallError) -> String
  func exists(_ path: String) -> Bool
  /// Holds a directory of the host; a link is refused.
  func openDirectory(_ path: String) throws(SyscallError) -> Descriptor
  func makeDirectory(_ path: String, mode: UInt32, uid: UInt32, gid: UInt32) throws(SyscallError)
  func removeDirectory(_ path: String) throws(SyscallError)
  func removeTree(_ path: String) throws(SyscallError)
  func names(in path: String) throws(SyscallError) -> [String]
  func rename(_ path: String, to new: String) throws(SyscallError)
}
