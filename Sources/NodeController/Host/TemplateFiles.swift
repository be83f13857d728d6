// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// The unpacked bundles, one directory a digest, owned by the instance's template ids.
struct TemplateFiles: Sendable {
  let instance: Instance
  let firstUID: UInt32

  func directory(_ digest: String) -> String { "\(instance.templates)/\(digest)" }
  private func unfinished(_ digest: String) -> String { "\(instance.templates)/.new-\(digest)" }

  static func check(_ digest: String) throws(RPCError) {
    guard digest.utf8.count == 64, digest.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { throw RPCError(.invalidParams, "a digest is 64 hexadecimal digits in lower case") }
  }

  func prepare() throws(SyscallError) {
    try FileSystem.makeDirectories(instance.templates, mode: 0o700)
    for name in try FileSystem.names(in: instance.templates) where name.hasPrefix(".") {
      try FileSystem.removeTree("\(instance.templates)/\(name)")
    }
  }

  func exists(_ digest: String) -> Bool { FileSystem.exists(directory(digest)) }

  /// An empty directory to unpack into; what an earlier attempt left is removed.
  func begin(_ digest: String) throws(SyscallError) -> Descriptor {
    try FileSystem.removeTree(unfinished(digest))
    try FileSystem.makeDirectory(unfinished(digest), mode: 0o700, existing: false)
    try FileSystem.owner(unfinished(digest), uid: firstUID, gid: firstUID)
    try FileSystem.mode(unfinished(digest), 0o755)
    return try FileSystem.open(unfinished(digest), flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  }

  func commit(_ digest: String) throws {
    guard FileSystem.exists(unfinished(digest)) else {
      throw RPCError(.notFound, "there is no unfinished template \(digest)")
    }
    if exists(digest) { return try FileSystem.removeTree(unfinished(digest)) }
    guard rename(unfinished(digest), directory(digest)) == 0 else {
      throw SyscallError(call: "rename", object: directory(digest), errno: errno)
    }
  }

  func remove(_ digest: String) throws(SyscallError) {
    try FileSystem.removeTree(unfinished(digest))
    if rename(directory(digest), unfinished(digest)) < 0 {
      if errno == ENOENT { return }
      throw SyscallError(call: "rename", object: directory(digest), errno: errno)
    }
    try FileSystem.removeTree(unfinished(digest))
  }

  func list() throws(SyscallError) -> [String] {
    try FileSystem.names(in: instance.templates).filter { !$0.hasPrefix(".") }.sorted()
  }
}
