// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import LinuxKernel
import Testing

@Suite struct RoleTests {
  static let policy = RolePolicy(adminUIDs: [0], operatorGIDs: [500], containerControllerUID: 700)

  @Test(arguments: [
    (PeerCredentials(pid: 1, uid: 0, gid: 0), [true, true, true, false]),
    (PeerCredentials(pid: 1, uid: 1000, gid: 500), [false, true, true, false]),
    (PeerCredentials(pid: 1, uid: 1000, gid: 1000, groups: [4, 500]), [false, true, true, false]),
    (PeerCredentials(pid: 1, uid: 1000, gid: 1000), [false, false, true, false]),
    (PeerCredentials(pid: 1, uid: 700, gid: 700), [false, false, true, true]),
  ])
  func `a peer has the roles of its ids`(credentials: PeerCredentials, expected: [Bool]) {
    let peer = Self.policy.peer(credentials)
    let roles: [Role] = [.admin, .operatorRole, .observer, .containerController]
    #expect(roles.map { peer.has($0) } == expected)
  }
}
