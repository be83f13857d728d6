// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc

/// Who the monitor is: the package's user `nodeagent-monitor`, or ids that are derived from the instance.
struct MonitorIdentity: Sendable, Equatable {
  var uid: UInt32
  var gid: UInt32

  init(instance: Instance) {
    let derived = 60912 + (UInt32(instance.id, radix: 16) ?? 0) % 256
    uid = getpwnam("nodeagent-monitor").map { $0.pointee.pw_uid } ?? derived
    gid = getpwnam("nodeagent-monitor").map { $0.pointee.pw_gid } ?? derived
  }
}
