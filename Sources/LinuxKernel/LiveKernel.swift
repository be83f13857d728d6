// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// The running kernel.
public struct LiveKernel: Kernel {
  public init() {}

  // MARK: mounts

  public func newFileSystem(type: String, options: [MountOption], attributes: MountAttributes)
    throws(SyscallError) -> Descriptor
  {
    let context = Descriptor(owning: try check(cl_fsopen(type), "fsopen", type))
    for option in options {
      let result =
        switch option {
        case .flag(let name): cl_fsconfig_flag(context.raw, name)
        case .value(let name, let value): cl_fsconfig_string(context.raw, name, value)
        case .descriptor(let name, let number): cl_fsconfig_fd(context.raw, name, number)
        }
      try explain(result, "fsconfig", "\(type) option \(option.name)", context: context)
    }
    try explain(cl_fsconfig_create(context.raw), "fsconfig(FSCONFIG_CMD_CREATE)", type, context: context)
    return Descriptor(
      owning: try explain(cl_fsmount(context.raw, attributes.rawValue), "fsmount", type, context: context))
  }

  /// Adds the messages that the kernel left in a file-system context to the error.
  @discardableResult
  private func explain(_ result: Int32, _ call: String, _ object: String, context: borrowing Descriptor)
    throws(SyscallError) -> Int32
  {
    if result >= 0 { return result }
    var messages: [String] = []
    var text = [CChar](repeating: 0, count: 512)
    while messages.count < 8, cl_fscontext_message(context.raw, &text, text.count) > 0 {
      messages.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    throw SyscallError(
      call: call, object: object, errno: -result, detail: messages.isEmpty ? nil : messages.joined(separator: "; "))
  }

  public func cloneMount(_ path: String, in directory: Int32, recursive: Bool) throws(SyscallError) -> Descriptor {
    var flags = UInt32(CL_OPEN_TREE_CLONE)
    if recursive { flags |= UInt32(CL_AT_RECURSIVE) }
    if path.isEmpty { flags |= UInt32(CL_AT_EMPTY_PATH) }
    return Descriptor(owning: try check(cl_open_tree(directory, path, flags), "open_tree", path))
  }

  public func setAttributes(_ attributes: MountAttributes, of mount: Int32, recursive: Bool, userNamespace: Int32?)
    throws(SyscallError)
  {
    var set = UInt64(attributes.rawValue)
    if userNamespace != nil { set |= UInt64(CL_MOUNT_ATTR_IDMAP) }
    var flags = UInt32(CL_AT_EMPTY_PATH)
    if recursive { flags |= UInt32(CL_AT_RECURSIVE) }
    try check(
      cl_mount_setattr(mount, "", flags, set, 0, 0, userNamespace ?? -1), "mount_setattr",
      userNamespace == nil ? "a mount" : "a mount to be id-mapped")
  }

  public func attach(_ mount: Int32, onto target: Int32) throws(SyscallError) {
    try check(
      cl_move_mount(mount, "", target, "", UInt32(CL_MOVE_MOUNT_F_EMPTY_PATH | CL_MOVE_MOUNT_T_EMPTY_PATH)),
      "move_mount", "the mount point")
  }

  public func detach(_ path: String) throws(SyscallError) {
    try check(cl_umount(path, Int32(MNT_DETACH) | Int32(UMOUNT_NOFOLLOW)), "umount2", path)
  }

  public func makeMountsPrivate() throws(SyscallError) {
    try check(
      cl_mount_setattr(AT_FDCWD, "/", UInt32(CL_AT_RECURSIVE), 0, 0, UInt64(CL_MS_PRIVATE), -1), "mount_setattr", "/")
  }

  public func attachRoot(_ mount: Int32) throws(SyscallError) {
    try check(
      cl_move_mount(mount, "", AT_FDCWD, "/", UInt32(CL_MOVE_MOUNT_F_EMPTY_PATH)), "move_mount", "/")
  }

  public func enterRoot(_ mount: Int32) throws(SyscallError) {
    try checkErrno(fchdir(mount), "fchdir", "the new root")
    // Both arguments the same directory: the old root is stacked below the new one and unmounted from there, so no
    // directory of the bundle is needed to hold it (pivot_root(2), NOTES).
    try check(cl_pivot_root(".", "."), "pivot_root", "the new root")
    try check(cl_umount(".", Int32(MNT_DETACH)), "umount2", "the old root")
    try checkErrno(chdir("/"), "chdir", "/")
  }

  // MARK: inside a root file-system

  public func resolve(_ path: String, root: Int32, kind: ResolvedKind) throws(SyscallError) -> Descriptor {
    let options: ResolveOptions = [.inRoot, .noMagicLinks]
    do {
      return try FileSystem.open(path, beneath: root, flags: FileSystem.pathOnly | O_NOFOLLOW, resolve: options)
    } catch {
      guard error.errno == ENOENT, kind != .existing else { throw error }
    }
    // Make what is missing, one component after the other, each below the descriptor of the one before.
    let parts = path.split(separator: "/").map(String.init)
    var reached = ""
    for (index, part) in parts.enumerated() {
      let parent = try FileSystem.open(
        reached.isEmpty ? "." : reached, beneath: root, flags: FileSystem.pathOnly | O_DIRECTORY, resolve: options)
      reached += reached.isEmpty ? part : "/\(part)"
      if index == parts.count - 1 && kind == .file {
        let file = try FileSystem.open(
          part, beneath: parent.raw, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644,
          resolve: [.beneath, .noSymlinks])
        _ = consume file
      } else if !FileSystem.exists(part, in: parent.raw) {
        try FileSystem.makeDirectory(part, in: parent.raw, mode: 0o755)
      }
    }
    return try FileSystem.open(path, beneath: root, flags: FileSystem.pathOnly | O_NOFOLLOW, resolve: options)
  }

  public func status(of descriptor: Int32) throws(SyscallError) -> FileStatus {
    try FileSystem.status(of: descriptor)
  }

  public func fileSystemMagic(of descriptor: Int32) throws(SyscallError) -> Int64 {
    try check(cl_filesystem_magic(descriptor), "fstatfs", "descriptor \(descriptor)")
  }

  public func makeSymbolicLink(_ path: String, to target: String, root: Int32) throws(SyscallError) {
    let (parent, name) = try parent(of: path, root: root)
    try checkErrno(symlinkat(target, parent.raw, name), "symlinkat", path)
  }

  public func writeFile(_ path: String, root: Int32, bytes: [UInt8], mode: UInt32) throws(SyscallError) {
    let (parent, name) = try parent(of: path, root: root)
    if holds(name, in: parent.raw, bytes) { return }
    try FileSystem.remove(name, in: parent.raw)
    let file = try FileSystem.open(
      name, beneath: parent.raw, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode,
      resolve: [.beneath, .noSymlinks])
    try FileSystem.write(bytes, to: file.raw, object: path)
  }

  /// True for a regular file with exactly these bytes: to replace it in an overlay would only cost.
  private func holds(_ name: String, in parent: Int32, _ bytes: [UInt8]) -> Bool {
    guard
      let file = try? FileSystem.open(
        name, beneath: parent, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK, resolve: [.beneath, .noSymlinks]),
      let status = try? FileSystem.status(of: file.raw), status.isRegularFile, status.size == Int64(bytes.count)
    else { return false }
    return (try? FileSystem.readAll(file.raw, limit: bytes.count, object: name)) == bytes
  }

  private func parent(of path: String, root: Int32) throws(SyscallError) -> (SharedDescriptor, String) {
    let parts = path.split(separator: "/").map(String.init)
    guard let name = parts.last else { throw SyscallError(call: "openat2", object: path, errno: EINVAL) }
    let directory = parts.dropLast().joined(separator: "/")
    let parent = try resolve(directory.isEmpty ? "." : directory, root: root, kind: .directory)
    return (SharedDescriptor(parent), name)
  }

  // MARK: namespaces and the process

  public func joinCgroup(_ tasks: Int32) throws(SyscallError) {
    try FileSystem.write([UInt8(ascii: "0")], to: tasks, object: "the cgroup's tasks")
  }

  public func unshareCgroupNamespace() throws(SyscallError) {
    try check(cl_unshare(UInt64(CL_NEWCGROUP)), "unshare(CLONE_NEWCGROUP)", "this process")
  }

  public func setHostname(_ name: String) throws(SyscallError) {
    try check(cl_sethostname(name), "sethostname", name)
  }

  public func bringUp(interface: String) throws(SyscallError) {
    try check(cl_interface_up(interface), "ioctl(SIOCSIFFLAGS)", interface)
  }

  // MARK: the host's files

  public func write(_ text: String, to path: String) throws(SyscallError) {
    try FileSystem.write(text, toExisting: path)
  }

  public func read(_ path: String) throws(SyscallError) -> String { try FileSystem.readText(path) }

  public func openDirectory(_ path: String) throws(SyscallError) -> Descriptor {
    try FileSystem.open(path, flags: FileSystem.pathOnly | O_DIRECTORY | O_NOFOLLOW)
  }

  public func exists(_ path: String) -> Bool { FileSystem.exists(path) }

  public func makeDirectory(_ path: String, mode: UInt32, uid: UInt32, gid: UInt32) throws(SyscallError) {
    try FileSystem.makeDirectory(path, mode: mode)
    let directory = try FileSystem.open(path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    try checkErrno(fchown(directory.raw, uid, gid), "fchown", path)
    try checkErrno(fchmod(directory.raw, mode), "fchmod", path)
  }

  public func removeDirectory(_ path: String) throws(SyscallError) { try FileSystem.removeDirectory(path) }

  public func removeTree(_ path: String) throws(SyscallError) { try FileSystem.removeTree(path) }

  public func names(in path: String) throws(SyscallError) -> [String] { try FileSystem.names(in: path) }

  public func rename(_ path: String, to new: String) throws(SyscallError) {
    try check(cl_rename_new(AT_FDCWD, path, AT_FDCWD, new), "renameat2", new)
  }
}
