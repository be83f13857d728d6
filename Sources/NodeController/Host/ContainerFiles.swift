// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// The directories of the containers, and with them who has which range of ids.
///
/// `containers/NAME/` has `slot` (the number of the range), `upper`, `work` and `lower` (the overlay's), and `state` (the log and
/// the exit record: PID 1 writes, the container controller reads). A directory is made beside its place and renamed into
/// it, and renamed away before it is removed: at any moment it is there whole or not at all.
struct ContainerFiles: Sendable {
  static let rangeSize: UInt32 = 65536
  /// Slot 0 belongs to the templates.
  static let slots = 1..<1024

  let instance: Instance
  let firstUID: UInt32
  let controller: ControllerIdentity

  func firstUID(slot: Int) -> UInt32 { firstUID + UInt32(slot) * Self.rangeSize }
  func directory(_ name: String) -> String { "\(instance.containers)/\(name)" }
  func stateDirectory(_ name: String) -> String { "\(directory(name))/state" }

  func prepare() throws(SyscallError) {
    try FileSystem.makeDirectories(instance.containers, mode: 0o711)
    try FileSystem.mode(instance.containers, 0o711)
    for name in try FileSystem.names(in: instance.containers) where name.hasPrefix(".") {
      try FileSystem.removeTree("\(instance.containers)/\(name)")
    }
  }

  /// All containers with their slots. A directory without a sound slot is not one of ours and stays.
  func list() throws(SyscallError) -> [String: Int] {
    var found: [String: Int] = [:]
    for name in try FileSystem.names(in: instance.containers) where !name.hasPrefix(".") {
      guard let text = try? FileSystem.readText("\(directory(name))/slot", limit: 16),
        let slot = Int(text.filter(\.isNumber)), Self.slots.contains(slot)
      else { continue }
      found[name] = slot
    }
    return found
  }

  func create(_ name: String, slot: Int) throws(SyscallError) {
    let temporary = "\(instance.containers)/.new-\(name)"
    let uid = firstUID(slot: slot)
    try FileSystem.removeTree(temporary)
    do throws(SyscallError) {
      try FileSystem.makeDirectory(temporary, mode: 0o711, existing: false)
      try FileSystem.mode(temporary, 0o711)
      try FileSystem.replace("\(temporary)/slot", with: Array("\(slot)\n".utf8), mode: 0o644)
      try makeOwned("\(temporary)/upper", mode: 0o755, uid: uid, gid: uid)
      try FileSystem.makeDirectory("\(temporary)/work", mode: 0o700)
      try FileSystem.makeDirectory("\(temporary)/lower", mode: 0o700)
      // Set-group-id: what PID 1 writes belongs to the controller's group, which may read it.
      try makeOwned("\(temporary)/state", mode: 0o2750, uid: uid, gid: controller.gid)
      guard rename(temporary, directory(name)) == 0 else {
        throw SyscallError(call: "rename", object: directory(name), errno: errno)
      }
    } catch {
      try? FileSystem.removeTree(temporary)
      throw error
    }
  }

  private func makeOwned(_ path: String, mode: UInt32, uid: UInt32, gid: UInt32) throws(SyscallError) {
    try FileSystem.makeDirectory(path, mode: 0o700, existing: false)
    try FileSystem.owner(path, uid: uid, gid: gid)
    try FileSystem.mode(path, mode)
  }

  func remove(_ name: String) throws(SyscallError) {
    let old = "\(instance.containers)/.old-\(name)"
    try FileSystem.removeTree(old)
    if rename(directory(name), old) < 0 {
      if errno == ENOENT { return }
      throw SyscallError(call: "rename", object: directory(name), errno: errno)
    }
    try FileSystem.removeTree(old)
  }
}
