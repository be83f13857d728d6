// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc

/// Who the keepers of sub-systems are once their workloads run: a user of nothing but the logs.
///
/// The package makes `nodeagent-keeper`. Without it the ids are derived from the instance, in a range that Debian's
/// policy gives to packages on request and to nobody else.
struct KeeperIdentity: Sendable, Equatable {
  var uid: UInt32
  var gid: UInt32

  init(instance: Instance) {
    let derived = 60400 + (UInt32(instance.id, radix: 16) ?? 0) % 512
    uid = getpwnam("nodeagent-keeper").map { $0.pointee.pw_uid } ?? derived
    gid = getpwnam("nodeagent-keeper").map { $0.pointee.pw_gid } ?? derived
  }
}
