// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CNetlink
import Glibc
import LinuxKernel

/// Routes, and what a VXLAN needs beside them (ip-route(8), ip-neighbour(8), bridge(8)).
extension Netlink {
  /// - Throws: `EEXIST` where there is a route to the same network.
  func addRoute(_ wanted: KernelRoute) throws(SyscallError) {
    let destination = try Self.address(wanted.network)
    defer { nl_addr_put(destination) }
    let via = try Self.address(wanted.gateway)
    defer { nl_addr_put(via) }
    let route = rtnl_route_alloc()
    defer { rtnl_route_put(route) }
    rtnl_route_set_family(route, UInt8(wanted.network.contains(":") ? AF_INET6 : AF_INET))
    rtnl_route_set_dst(route, destination)
    if let maker = wanted.maker { rtnl_route_set_protocol(route, maker) }
    if let source = wanted.source {
      let preferred = try Self.address(source)
      defer { nl_addr_put(preferred) }
      rtnl_route_set_pref_src(route, preferred)
    }
    // The route's from here on.
    let hop = rtnl_route_nh_alloc()
    if let index = wanted.index { rtnl_route_nh_set_ifindex(hop, index) }
    rtnl_route_nh_set_gateway(hop, via)
    if wanted.isOnLink { rtnl_route_nh_set_flags(hop, UInt32(RTNH_F_ONLINK)) }
    rtnl_route_add_nexthop(route, hop)
    try Self.check(
      rtnl_route_add(socket, route, NLM_F_EXCL), "rtnl_route_add", "\(wanted.network) via \(wanted.gateway)")
  }

  /// The routes that a program has made which marks its own by `maker`.
  func routes(of maker: UInt8) throws(SyscallError) -> [KernelRoute] {
    var cache: OpaquePointer?
    try Self.check(rtnl_route_alloc_cache(socket, AF_UNSPEC, 0, &cache), "rtnl_route_alloc_cache", "routes")
    defer { nl_cache_free(cache) }
    var found: [KernelRoute] = []
    var next = nl_cache_get_first(cache)
    while let route = next {
      next = nl_cache_get_next(route)
      guard rtnl_route_get_protocol(route) == maker, let hop = rtnl_route_nexthop_n(route, 0),
        let via = rtnl_route_nh_get_gateway(hop), let destination = rtnl_route_get_dst(route)
      else { continue }
      found.append(
        KernelRoute(
          network: Self.text(destination), gateway: Self.text(via), index: rtnl_route_nh_get_ifindex(hop),
          isOnLink: rtnl_route_nh_get_flags(hop) & UInt32(RTNH_F_ONLINK) != 0,
          source: rtnl_route_get_pref_src(route).map(Self.text), maker: maker))
    }
    return found
  }

  func removeRoute(_ gone: KernelRoute) throws(SyscallError) {
    let destination = try Self.address(gone.network)
    defer { nl_addr_put(destination) }
    let route = rtnl_route_alloc()
    defer { rtnl_route_put(route) }
    rtnl_route_set_family(route, UInt8(gone.network.contains(":") ? AF_INET6 : AF_INET))
    rtnl_route_set_dst(route, destination)
    // Whatever its scope: without this one is guessed, of a route without a gateway.
    rtnl_route_set_scope(route, UInt8(RT_SCOPE_NOWHERE.rawValue))
    if let maker = gone.maker { rtnl_route_set_protocol(route, maker) }
    do {
      try Self.check(rtnl_route_delete(socket, route, 0), "rtnl_route_delete", gone.network)
    } catch  where error.errno == ENODEV {
      // It is gone already.
      return
    }
  }

  private static func text(_ address: OpaquePointer) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    nl_addr2str(address, &buffer, buffer.count)
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: - VXLAN

  /// A VXLAN device that learns nothing from what comes in: where each peer is, is said by `addForwarding`.
  func addVXLAN(
    _ name: String, _ overlay: NetworkConfiguration.Overlay, hardwareAddress: [UInt8]
  ) throws(SyscallError) {
    guard let link = rtnl_link_vxlan_alloc() else {
      throw SyscallError(call: "rtnl_link_vxlan_alloc", object: name, errno: ENOMEM)
    }
    defer { rtnl_link_put(link) }
    rtnl_link_set_name(link, name)
    let address = nl_addr_build(AF_LLC, hardwareAddress, hardwareAddress.count)
    defer { nl_addr_put(address) }
    rtnl_link_set_addr(link, address)
    rtnl_link_vxlan_set_id(link, overlay.identifier)
    rtnl_link_vxlan_set_port(link, UInt32(overlay.port))
    rtnl_link_set_mtu(link, overlay.mtu)
    rtnl_link_vxlan_disable_learning(link)
    rtnl_link_set_flags(link, UInt32(IFF_UP))
    try Self.check(rtnl_link_add(socket, link, NLM_F_CREATE | NLM_F_EXCL), "rtnl_link_add", "VXLAN \(name)")
  }

  /// The device's index and what it was made with; `nil` where there is no VXLAN device of that name.
  func vxlan(_ name: String) -> (index: Int32, overlay: NetworkConfiguration.Overlay)? {
    var link: OpaquePointer?
    guard rtnl_link_get_kernel(socket, 0, name, &link) == 0, let link else { return nil }
    defer { rtnl_link_put(link) }
    guard rtnl_link_is_vxlan(link) != 0 else { return nil }
    var identifier: UInt32 = 0
    var port: UInt32 = 0
    guard rtnl_link_vxlan_get_id(link, &identifier) == 0, rtnl_link_vxlan_get_port(link, &port) == 0 else { return nil }
    return (
      rtnl_link_get_ifindex(link),
      .init(identifier: identifier, port: UInt16(truncatingIfNeeded: port), mtu: rtnl_link_get_mtu(link))
    )
  }

  /// At which hardware address an address is, for ever.
  func addNeighbour(_ text: String, hardwareAddress: [UInt8], over index: Int32) throws(SyscallError) {
    let address = try Self.address(text)
    defer { nl_addr_put(address) }
    try add(address, hardwareAddress, index, family: text.contains(":") ? AF_INET6 : AF_INET, flags: 0)
  }

  /// To which node a VXLAN device sends frames for a hardware address.
  func addForwarding(_ hardwareAddress: [UInt8], to node: String, over index: Int32) throws(SyscallError) {
    let address = try Self.address(node)
    defer { nl_addr_put(address) }
    try add(address, hardwareAddress, index, family: AF_BRIDGE, flags: UInt32(NTF_SELF))
  }

  private func add(
    _ address: OpaquePointer, _ hardwareAddress: [UInt8], _ index: Int32, family: Int32, flags: UInt32
  ) throws(SyscallError) {
    guard let neighbour = rtnl_neigh_alloc() else {
      throw SyscallError(call: "rtnl_neigh_alloc", object: "interface \(index)", errno: ENOMEM)
    }
    defer { rtnl_neigh_put(neighbour) }
    rtnl_neigh_set_ifindex(neighbour, index)
    // In this order: with a family of another address than its own it would not be taken.
    try Self.check(rtnl_neigh_set_dst(neighbour, address), "rtnl_neigh_set_dst", "interface \(index)")
    rtnl_neigh_set_family(neighbour, family)
    let hardware = nl_addr_build(AF_LLC, hardwareAddress, hardwareAddress.count)
    defer { nl_addr_put(hardware) }
    rtnl_neigh_set_lladdr(neighbour, hardware)
    rtnl_neigh_set_state(neighbour, NUD_PERMANENT)
    if flags != 0 { rtnl_neigh_set_flags(neighbour, flags) }
    try Self.check(
      rtnl_neigh_add(socket, neighbour, NLM_F_CREATE | NLM_F_REPLACE), "rtnl_neigh_add", "interface \(index)")
  }
}
