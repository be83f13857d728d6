// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import Synchronization

/// A kernel that does nothing and remembers everything: the fake for tests of what is done in which order.
///
/// Files are a dictionary; descriptors are negative numbers, which nothing ever closes.
public final class RecordingKernel: Kernel {
  private struct State {
    var steps: [String] = []
    var files: [String: String] = [:]
    var directories: Set<String> = []
    var failures: [String: Int32] = [:]
    var statuses: [String: FileStatus] = [:]
    var magics: [String: Int64] = [:]
    var names: [Int32: String] = [:]
    var nextDescriptor: Int32 = -100
  }
  private let state = Mutex(State())

  public init(files: [String: String] = [:]) { state.withLock { $0.files = files } }

  /// Everything done so far, a line each.
  public var steps: [String] { state.withLock { $0.steps } }
  public func file(_ path: String) -> String? { state.withLock { $0.files[path] } }

  /// Makes the step whose text starts with `prefix` fail.
  public func fail(_ prefix: String, with errno: Int32) { state.withLock { $0.failures[prefix] = errno } }

  /// What `status(of:)` and `fileSystemMagic(of:)` answer for a resolved path.
  public func set(status: FileStatus? = nil, magic: Int64? = nil, for path: String) {
    state.withLock {
      if let status { $0.statuses[path] = status }
      if let magic { $0.magics[path] = magic }
    }
  }

  private func record(_ step: String) throws(SyscallError) {
    let failure: Int32? = state.withLock { state in
      state.steps.append(step)
      return state.failures.first { step.hasPrefix($0.key) }?.value
    }
    if let failure { throw SyscallError(call: "recorded", object: step, errno: failure) }
  }

  private func descriptor(_ name: String) -> Descriptor {
    state.withLock { state in
      state.nextDescriptor -= 1
      state.names[state.nextDescriptor] = name
      return Descriptor(owning: state.nextDescriptor)
    }
  }

  private func name(_ descriptor: Int32) -> String {
    state.withLock { $0.names[descriptor] } ?? "fd \(descriptor)"
  }

  public func newFileSystem(type: String, options: [MountOption], attributes: MountAttributes)
    throws(SyscallError) -> Descriptor
  {
    let text = options.map { option in
      switch option {
      case .flag(let name): name
      case .value(let name, let value): "\(name)=\(value)"
      case .descriptor(let name, let number): "\(name)=<\(self.name(number))>"
      }
    }
    try record("new \(type)(\(text.joined(separator: ","))) attributes \(attributes.rawValue)")
    return descriptor(type)
  }

  public func cloneMount(_ path: String, in directory: Int32, recursive: Bool) throws(SyscallError) -> Descriptor {
    try record("clone mount \(path.isEmpty ? name(directory) : path)")
    return descriptor("mount of \(path.isEmpty ? name(directory) : path)")
  }

  public func setAttributes(_ attributes: MountAttributes, of mount: Int32, recursive: Bool, userNamespace: Int32?)
    throws(SyscallError)
  {
    try record(
      "set attributes \(attributes.rawValue) of \(name(mount))\(userNamespace == nil ? "" : " id-mapped")")
  }

  public func attach(_ mount: Int32, onto target: Int32) throws(SyscallError) {
    try record("attach \(name(mount)) onto \(name(target))")
  }

  public func detach(_ path: String) throws(SyscallError) { try record("detach \(path)") }
  public func makeMountsPrivate() throws(SyscallError) { try record("make mounts private") }
  public func attachRoot(_ mount: Int32) throws(SyscallError) { try record("attach root \(name(mount))") }
  public func enterRoot(_ mount: Int32) throws(SyscallError) { try record("enter root \(name(mount))") }

  public func resolve(_ path: String, root: Int32, kind: ResolvedKind) throws(SyscallError) -> Descriptor {
    try record("resolve \(path) \(kind)")
    return descriptor(path)
  }

  public func status(of descriptor: Int32) throws(SyscallError) -> FileStatus {
    let name = name(descriptor)
    if let status = state.withLock({ $0.statuses[name] }) { return status }
    var info = stat()
    info.st_mode = S_IFDIR | 0o755
    return FileStatus(info)
  }

  public func fileSystemMagic(of descriptor: Int32) throws(SyscallError) -> Int64 {
    let name = name(descriptor)
    return state.withLock { $0.magics[name] } ?? 0
  }

  public func makeSymbolicLink(_ path: String, to target: String, root: Int32) throws(SyscallError) {
    try record("symlink \(path) -> \(target)")
  }

  public func writeFile(_ path: String, root: Int32, bytes: [UInt8], mode: UInt32) throws(SyscallError) {
    try record("write \(bytes.count) bytes to \(path) in the root")
  }

  public func joinCgroup(_ tasks: Int32) throws(SyscallError) { try record("join cgroup \(name(tasks))") }
  public func unshareCgroupNamespace() throws(SyscallError) { try record("unshare cgroup namespace") }
  public func setHostname(_ name: String) throws(SyscallError) { try record("hostname \(name)") }
  public func bringUp(interface: String) throws(SyscallError) { try record("up \(interface)") }

  public func write(_ text: String, to path: String) throws(SyscallError) {
    try record("write \(text) to \(path)")
    state.withLock { $0.files[path] = text }
  }

  public func read(_ path: String) throws(SyscallError) -> String {
    guard let text = state.withLock({ $0.files[path] }) else {
      throw SyscallError(call: "openat", object: path, errno: ENOENT)
    }
    return text
  }

  public func openDirectory(_ path: String) throws(SyscallError) -> Descriptor { descriptor(path) }

  public func exists(_ path: String) -> Bool {
    state.withLock { $0.files[path] != nil || $0.directories.contains(path) }
  }

  public func makeDirectory(_ path: String, mode: UInt32, uid: UInt32, gid: UInt32) throws(SyscallError) {
    try record("mkdir \(path) \(String(mode, radix: 8)) \(uid):\(gid)")
    state.withLock { _ = $0.directories.insert(path) }
  }

  public func removeDirectory(_ path: String) throws(SyscallError) {
    try record("rmdir \(path)")
    state.withLock { _ = $0.directories.remove(path) }
  }

  public func removeTree(_ path: String) throws(SyscallError) {
    try record("remove tree \(path)")
    state.withLock { state in
      state.directories = state.directories.filter { $0 != path && !$0.hasPrefix("\(path)/") }
    }
  }

  public func names(in path: String) throws(SyscallError) -> [String] {
    state.withLock { state in
      let below = state.directories.union(state.files.keys).filter { $0.hasPrefix("\(path)/") }
      return Set(below.map { String($0.dropFirst(path.count + 1).split(separator: "/").first ?? "") }).sorted()
    }
  }

  public func rename(_ path: String, to new: String) throws(SyscallError) {
    try record("rename \(path) to \(new)")
    state.withLock { state in
      if state.directories.remove(path) != nil { state.directories.insert(new) }
    }
  }
}
