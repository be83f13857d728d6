// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CNftables
import Glibc
import JSONRPC
import LinuxKernel
import Synchronization

/// The instance's nftables table: published endpoints as map elements, and the guard of the bridge (nft(8)).
///
/// Rules of others are never touched; a publication is one element, added and removed alone.
final class NftTable: Sendable {
  let name: String
  let bridge: String
  private let running = Mutex(())

  init(name: String, bridge: String) {
    self.name = name
    self.bridge = bridge
  }

  /// Makes the table anew in one transaction, without publications.
  func create() throws(RPCError) {
    try run(
      """
      add table ip \(name)
      delete table ip \(name)
      table ip \(name) {
        map tcp-ports { type inet_service : ipv4_addr . inet_service; }
        map udp-ports { type inet_service : ipv4_addr . inet_service; }
        chain publish {
          type nat hook output priority -100; policy accept;
          ip daddr 127.0.0.1 meta l4proto tcp dnat ip to tcp dport map @tcp-ports
          ip daddr 127.0.0.1 meta l4proto udp dnat ip to udp dport map @udp-ports
        }
        chain source {
          type nat hook postrouting priority 100; policy accept;
          oifname "\(bridge)" ip saddr 127.0.0.0/8 masquerade
        }
        chain loopback-guard {
          type filter hook prerouting priority -300; policy accept;
          iifname "\(bridge)" ip daddr 127.0.0.0/8 drop
        }
        chain host-guard {
          type filter hook input priority 0; policy accept;
          iifname "\(bridge)" ct state established,related accept
          iifname "\(bridge)" icmp type echo-request accept
          iifname "\(bridge)" drop
        }
      }
      """)
  }

  func exists() -> Bool { (try? run("list table ip \(name)")) != nil }

  /// Makes the published endpoints exactly these, in one transaction: what a controller that died had published without
  /// remembering it goes, what somebody flushed comes back.
  func synchronise(_ endpoints: [(proto: String, hostPort: UInt16, address: String, port: UInt16)]) throws(RPCError) {
    if !exists() {
      if endpoints.isEmpty { return }
      try create()
    }
    let elements = endpoints.map {
      "add element ip \(name) \($0.proto)-ports { \($0.hostPort) : \($0.address) . \($0.port) }\n"
    }
    try run("flush map ip \(name) tcp-ports\nflush map ip \(name) udp-ports\n\(elements.joined())")
  }

  func publish(_ proto: String, hostPort: UInt16, address: String, port: UInt16) throws(RPCError) {
    try run("add element ip \(name) \(proto)-ports { \(hostPort) : \(address) . \(port) }")
  }

  func withdraw(_ proto: String, hostPort: UInt16) throws(RPCError) {
    try run("delete element ip \(name) \(proto)-ports { \(hostPort) }")
  }

  func remove() throws(RPCError) { try run("add table ip \(name)\ndelete table ip \(name)") }

  private func run(_ commands: String) throws(RPCError) {
    let problem: String? = running.withLock { _ in
      guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else { return "out of memory" }
      defer { nft_ctx_free(context) }
      nft_ctx_buffer_output(context)
      nft_ctx_buffer_error(context)
      if nft_run_cmd_from_buffer(context, commands) == 0 { return nil }
      return nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? "no reason given"
    }
    if let problem {
      throw RPCError(.kernelRefused, "nft refused \"\(commands.prefix(80))\": \(problem.prefix(400))")
    }
  }
}
