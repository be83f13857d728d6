// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc

/// Who the certificate manager is: the package's user `nodeagent-cert`, or ids that are derived from the instance.
struct CertificateManagerIdentity: Sendable, Equatable {
  var uid: UInt32
  var gid: UInt32

  init(instance: Instance) {
    let derived = 60144 + (UInt32(instance.id, radix: 16) ?? 0) % 256
    uid = getpwnam("nodeagent-cert").map { $0.pointee.pw_uid } ?? derived
    gid = getpwnam("nodeagent-cert").map { $0.pointee.pw_gid } ?? derived
  }
}
