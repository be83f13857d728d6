// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC

/// The ids that a sub-system's process gets, looked up by the names in its unit file (passwd(5), group(5)).
struct SubsystemUser: Sendable, Equatable {
  var uid: UInt32
  var gid: UInt32
  /// Supplementary groups.
  var groups: [UInt32]
  var name: String
  var home: String

  /// - Throws: `not found` with the name that is missing.
  init(_ spec: SubsystemSpec) throws(RPCError) {
    let user = spec.user ?? "root"
    // The lookups share one buffer of the C library.
    var buffer = [CChar](repeating: 0, count: 64 << 10)
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    if let number = UInt32(user) {
      getpwuid_r(number, &entry, &buffer, buffer.count, &found)
      uid = number
    } else {
      getpwnam_r(user, &entry, &buffer, buffer.count, &found)
      guard found != nil else {
        throw RPCError(
          .notFound, "\(spec.name): there is no user \(user) on this machine; make it with adduser --system \(user)")
      }
      uid = entry.pw_uid
    }
    name = found == nil ? user : String(cString: entry.pw_name)
    home = found == nil ? "/" : String(cString: entry.pw_dir)
    gid = found == nil ? uid : entry.pw_gid
    if let group = spec.group {
      if let number = UInt32(group) {
        gid = number
      } else {
        var groupBuffer = [CChar](repeating: 0, count: 64 << 10)
        var groupEntry = Glibc.group()
        var groupFound: UnsafeMutablePointer<Glibc.group>?
        getgrnam_r(group, &groupEntry, &groupBuffer, groupBuffer.count, &groupFound)
        guard groupFound != nil else {
          throw RPCError(.notFound, "\(spec.name): there is no group \(group) on this machine; make it with addgroup")
        }
        gid = groupEntry.gr_gid
      }
    }
    groups = []
    if found != nil, uid != 0 {
      var count: Int32 = 256
      var list = [gid_t](repeating: 0, count: Int(count))
      if getgrouplist(name, gid, &list, &count) >= 0 { groups = Array(list.prefix(Int(count))) }
    }
  }
}
