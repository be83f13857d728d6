// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A route in the kernel's main table.
struct KernelRoute: Hashable, Sendable {
  /// Who made it (rtnetlink(7), `rtm_protocol`): a number that no routing program has, by which ours are told from others.
  static let ours: UInt8 = 110

  /// `10.0.0.0/8`.
  var network: String
  var gateway: String
  /// Of the interface; `nil`: the kernel finds it by the gateway.
  var index: Int32?
  /// The gateway is at the other end of the interface, whatever its address.
  var isOnLink = false
  /// The source of the node's own packets.
  var source: String?
  /// `nil`: the usual.
  var maker: UInt8?
}
