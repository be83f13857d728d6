// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// An operation of a plan that failed.
public struct PlanFailure: Error, Equatable, Sendable {
  public var operation: Operation
  public var error: SyscallError
}

/// Carries out the operations of a ``LaunchPlan``, in order, on a kernel.
public struct PlanExecutor<K: Kernel> {
  let kernel: K
  /// The detached mount that becomes the root, borrowed.
  let root: Int32
  /// The mounts that came with the plan, borrowed.
  let slots: [Int32]

  public init(kernel: K, root: Int32, slots: [Int32]) {
    self.kernel = kernel
    self.root = root
    self.slots = slots
  }

  public func execute(_ operations: [Operation]) throws(PlanFailure) {
    for operation in operations {
      do {
        try execute(operation)
      } catch {
        throw PlanFailure(operation: operation, error: error)
      }
    }
  }

  private func execute(_ operation: Operation) throws(SyscallError) {
    switch operation {
    case .joinCgroup(let slot): try kernel.joinCgroup(try descriptor(slot, for: "the cgroup"))
    case .isolateMounts: try kernel.makeMountsPrivate()
    case .unshareCgroup: try kernel.unshareCgroupNamespace()
    case .hostname(let name): try kernel.setHostname(name)
    case .loopback: try kernel.bringUp(interface: "lo")
    case .mount(let type, let options, let attributes, let target):
      try mount(type: type, options: options, attributes: attributes, target: target)
    case .device(let name, let major, let minor): try provideDevice(name, major: major, minor: minor)
    case .attach(let slot, let target, let file):
      let mount = try descriptor(slot, for: target)
      let point = try kernel.resolve(target, root: root, kind: file ? .file : .directory)
      try kernel.attach(mount, onto: point.raw)
    case .identityFiles(let slot, let target): try mountIdentity(try descriptor(slot, for: target), target)
    case .symbolicLink(let path, let target): try kernel.makeSymbolicLink(path, to: target, root: root)
    case .writeFile(let path, let bytes, let mode):
      try kernel.writeFile(path, root: root, bytes: bytes, mode: mode)
    case .mask(let path): try mask(path)
    case .readOnly(let path): try makeReadOnly(path)
    case .readOnlyRoot:
      try kernel.setAttributes(.readOnly, of: root, recursive: false, userNamespace: nil)
    case .attachRoot: try kernel.attachRoot(root)
    case .enterRoot: try kernel.enterRoot(root)
    }
  }

  private func descriptor(_ slot: UInt32, for object: String) throws(SyscallError) -> Int32 {
    guard slots.indices.contains(Int(slot)) else {
      throw SyscallError(call: "plan", object: object, errno: EBADF, detail: "the plan has no slot \(slot)")
    }
    return slots[Int(slot)]
  }

  /// The mount point is resolved first: an image whose `/proc` is a link ends here, before anything is mounted.
  private func mount(type: String, options: [MountOption], attributes: MountAttributes, target: String)
    throws(SyscallError)
  {
    let point = try kernel.resolve(target, root: root, kind: .directory)
    guard try kernel.status(of: point.raw).isDirectory else {
      throw SyscallError(
        call: "move_mount", object: target, errno: ENOTDIR,
        detail: "the image has a file or a symbolic link in the place of this directory")
    }
    let mount = try kernel.newFileSystem(type: type, options: options, attributes: attributes)
    try kernel.attach(mount.raw, onto: point.raw)
  }

  /// The kernel lets in only processes of this user namespace, and asks the server about nothing else
  /// (Documentation/filesystems/fuse.rst, `allow_other`).
  private func mountIdentity(_ device: Int32, _ target: String) throws(SyscallError) {
    try mount(
      type: "fuse",
      options: [
        .value("fd", "\(device)"), .value("rootmode", "40000"), .value("user_id", "0"), .value("group_id", "0"),
        .flag("allow_other"),
      ], attributes: [.readOnly, .noSetuid, .noDevices, .noExecute], target: target)
  }

  private func provideDevice(_ name: String, major: UInt32, minor: UInt32) throws(SyscallError) {
    let device = try hostDevice(name, major: major, minor: minor)
    let point = try kernel.resolve("dev/\(name)", root: root, kind: .file)
    try kernel.attach(device.raw, onto: point.raw)
  }

  /// A detached copy of a device of the host: its type and numbers are checked on the descriptor that is then mounted.
  private func hostDevice(_ name: String, major: UInt32, minor: UInt32) throws(SyscallError) -> Descriptor {
    let device = try kernel.cloneMount("/dev/\(name)", in: AT_FDCWD, recursive: false)
    let status = try kernel.status(of: device.raw)
    guard status.isCharacterDevice, status.device == (major, minor) else {
      throw SyscallError(
        call: "fstat", object: "/dev/\(name)", errno: ENODEV,
        detail: "the host's file is not the character device \(major):\(minor)")
    }
    return device
  }

  private func mask(_ path: String) throws(SyscallError) {
    guard let point = try existing(path) else { return }
    if try kernel.status(of: point.raw).isDirectory {
      let empty = try kernel.newFileSystem(
        type: "tmpfs", options: [.value("size", "4096"), .value("nr_inodes", "1"), .value("mode", "555")],
        attributes: [.readOnly, .noSetuid, .noDevices, .noExecute])
      try kernel.attach(empty.raw, onto: point.raw)
    } else {
      let null = try hostDevice("null", major: 1, minor: 3)
      try kernel.attach(null.raw, onto: point.raw)
    }
  }

  private func makeReadOnly(_ path: String) throws(SyscallError) {
    guard let point = try existing(path) else { return }
    let copy = try kernel.cloneMount("", in: point.raw, recursive: true)
    try kernel.setAttributes(
      [.readOnly, .noSetuid, .noDevices, .noExecute], of: copy.raw, recursive: true, userNamespace: nil)
    try kernel.attach(copy.raw, onto: point.raw)
  }

  private func existing(_ path: String) throws(SyscallError) -> Descriptor? {
    do {
      return try kernel.resolve(path, root: root, kind: .existing)
    } catch  where error.errno == ENOENT || error.errno == ENOTDIR {
      return nil
    }
  }
}
