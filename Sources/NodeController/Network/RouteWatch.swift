// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LinuxKernel

/// Hears from the kernel that links, addresses or routes have changed (rtnetlink(7)).
struct RouteWatch: Sendable {
  private let sockets: [SharedDescriptor]

  private static let route: Int32 = 0  // NETLINK_ROUTE
  /// `RTNLGRP_LINK`, `RTNLGRP_IPV4_IFADDR`, `RTNLGRP_IPV4_ROUTE`, `RTNLGRP_IPV6_IFADDR`, `RTNLGRP_IPV6_ROUTE`.
  private static let groups: [UInt32] = [1, 5, 7, 9, 11]

  /// Opens the sockets in the network namespace of the calling thread.
  init() throws(SyscallError) {
    var opened: [SharedDescriptor] = []
    for group in Self.groups {
      let number = cl_netlink_listen(Self.route, group)
      guard number >= 0 else { throw SyscallError(call: "socket(AF_NETLINK)", object: "rtnetlink", errno: -number) }
      opened.append(SharedDescriptor(Descriptor(owning: number)))
    }
    sockets = opened
  }

  /// Tells once of changes that come together, until `isOver`; waits, so on a thread of its own.
  func follow(isOver: () -> Bool, _ changed: () -> Void) {
    var isPending = false
    while !isOver() {
      var poll = PollSet()
      for socket in sockets { poll.add(socket.raw) }
      guard (try? poll.wait(milliseconds: isPending ? 100 : 500)) == true else {
        if isPending { changed() }
        isPending = false
        continue
      }
      // What it says does not matter, nor that some of it was lost.
      var buffer = [UInt8](repeating: 0, count: 64 << 10)
      for socket in sockets {
        while recv(socket.raw, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 {}
      }
      isPending = true
    }
  }
}
