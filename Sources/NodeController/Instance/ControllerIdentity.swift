// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel

/// The user and group that the container controller runs as.
///
/// The package makes `nodeagent-container` and `nodeagent`. Without them, as in a private root for a trial, the ids are
/// derived from the instance, in the range that Debian's policy leaves to nobody.
struct ControllerIdentity: Sendable, Equatable {
  var uid: UInt32
  var gid: UInt32

  init(instance: Instance) {
    let derived = 61184 + (UInt32(instance.id, radix: 16) ?? 0) % 4096
    uid = getpwnam("nodeagent-container").map { $0.pointee.pw_uid } ?? derived
    gid = getgrnam("nodeagent").map { $0.pointee.gr_gid } ?? derived
  }
}
