// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import CNetlink
import Glibc
import LinuxKernel

/// A route netlink socket of one network namespace (libnl-route).
final class Netlink {
  let socket: OpaquePointer

  /// Opens a socket in the namespace of the calling thread.
  init() throws(SyscallError) {
    guard let socket = nl_socket_alloc() else {
      throw SyscallError(call: "nl_socket_alloc", object: "netlink", errno: ENOMEM)
    }
    self.socket = socket
    try Self.check(nl_connect(socket, NETLINK_ROUTE), "nl_connect", "route netlink")
  }

  deinit { nl_socket_free(socket) }

  /// Opens a socket in a container's namespace, and opens its ports: the socket stays there, the thread comes back.
  convenience init(namespace: Int32) throws(SyscallError) {
    let own = try FileSystem.open("/proc/thread-self/ns/net", flags: O_RDONLY)
    let entered = cl_setns(namespace, Int32(CL_NEWNET))
    if entered < 0 { throw SyscallError(call: "setns", object: "the container's network namespace", errno: -entered) }
    defer {
      // A thread that cannot come home would do the next container's work in the wrong namespace.
      if cl_setns(own.raw, Int32(CL_NEWNET)) < 0 { fatalError("cannot return to the host's network namespace") }
    }
    // Every port is the container's own: no privilege is needed for those below 1024 (ip-sysctl, kernel document).
    try FileSystem.write("0", toExisting: "/proc/sys/net/ipv4/ip_unprivileged_port_start")
    try self.init()
  }

  static func check(_ result: Int32, _ call: String, _ object: String) throws(SyscallError) {
    guard result < 0 else { return }
    let code = -result
    let errno =
      switch UInt32(code) {
      case NLE_EXIST.magnitude32: EEXIST
      case NLE_OBJ_NOTFOUND.magnitude32, NLE_NODEV.magnitude32: ENODEV
      case NLE_PERM.magnitude32: EPERM
      case NLE_BUSY.magnitude32: EBUSY
      case NLE_NOMEM.magnitude32: ENOMEM
      case NLE_OPNOTSUPP.magnitude32: EOPNOTSUPP
      default: EINVAL
      }
    throw SyscallError(call: call, object: object, errno: errno, detail: String(cString: nl_geterror(result)))
  }

  /// The index of an interface; 0 when there is none.
  func index(of name: String) -> Int32 {
    var link: OpaquePointer?
    guard rtnl_link_get_kernel(socket, 0, name, &link) == 0, let link else { return 0 }
    defer { rtnl_link_put(link) }
    return rtnl_link_get_ifindex(link)
  }

  /// - Parameter hardwareAddress: its own for ever. Without one it takes the lowest of its ports', which changes as they come
  ///   and go, and what containers remember of their gateway would be wrong then.
  func addBridge(_ name: String, hardwareAddress: [UInt8]) throws(SyscallError) {
    let link = rtnl_link_bridge_alloc()
    defer { rtnl_link_put(link) }
    rtnl_link_set_name(link, name)
    let address = nl_addr_build(AF_LLC, hardwareAddress, hardwareAddress.count)
    defer { nl_addr_put(address) }
    rtnl_link_set_addr(link, address)
    try Self.check(rtnl_link_add(socket, link, NLM_F_CREATE | NLM_F_EXCL), "rtnl_link_add", "bridge \(name)")
  }

  /// A pair of virtual interfaces: `name` here in `bridge`, its peer as `eth0` with a hardware address in the namespace.
  func addPair(_ name: String, bridge: Int32, peerNamespace: Int32, hardwareAddress: [UInt8]) throws(SyscallError) {
    guard let link = rtnl_link_veth_alloc() else {
      throw SyscallError(call: "rtnl_link_veth_alloc", object: name, errno: ENOMEM)
    }
    defer { rtnl_link_put(link) }
    let peer = rtnl_link_veth_get_peer(link)
    defer { rtnl_link_put(peer) }
    rtnl_link_set_name(link, name)
    rtnl_link_set_master(link, bridge)
    rtnl_link_set_flags(link, UInt32(IFF_UP))
    rtnl_link_set_name(peer, "eth0")
    rtnl_link_set_ns_fd(peer, peerNamespace)
    let address = nl_addr_build(AF_LLC, hardwareAddress, hardwareAddress.count)
    defer { nl_addr_put(address) }
    rtnl_link_set_addr(peer, address)
    try Self.check(rtnl_link_add(socket, link, NLM_F_CREATE | NLM_F_EXCL), "rtnl_link_add", "veth \(name)")
  }

  /// Lets a port of a bridge send a frame back to where it came from (ip-link(8), `bridge_slave … hairpin`).
  func allowHairpin(_ index: Int32) throws(SyscallError) {
    let mode: Int32 = 4  // IFLA_BRPORT_MODE of linux/if_link.h
    guard let message = nlmsg_alloc_simple(Int32(RTM_SETLINK), 0) else {
      throw SyscallError(call: "nlmsg_alloc", object: "interface \(index)", errno: ENOMEM)
    }
    var header = ifinfomsg()
    header.ifi_family = UInt8(AF_BRIDGE)
    header.ifi_index = index
    nlmsg_append(message, &header, MemoryLayout<ifinfomsg>.size, Int32(NLMSG_ALIGNTO))
    let nest = nla_nest_start(message, Int32(IFLA_PROTINFO) | Int32(NLA_F_NESTED))
    nla_put_u8(message, mode, 1)
    nla_nest_end(message, nest)
    // Sends, waits for the answer, and frees the message.
    try Self.check(nl_send_sync(socket, message), "nl_send_sync(RTM_SETLINK)", "interface \(index)")
  }

  /// The names of the interfaces that are plugged into a bridge.
  func ports(of bridge: String) throws(SyscallError) -> [String] {
    let bridgeIndex = index(of: bridge)
    guard bridgeIndex != 0 else { return [] }
    var cache: OpaquePointer?
    try Self.check(rtnl_link_alloc_cache(socket, AF_UNSPEC, &cache), "rtnl_link_alloc_cache", bridge)
    defer { nl_cache_free(cache) }
    var names: [String] = []
    var next = nl_cache_get_first(cache)
    while let object = next {
      let link = object
      if rtnl_link_get_master(link) == bridgeIndex, let name = rtnl_link_get_name(link) {
        names.append(String(cString: name))
      }
      next = nl_cache_get_next(object)
    }
    return names
  }

  func bringUp(_ index: Int32) throws(SyscallError) {
    let change = rtnl_link_alloc()
    defer { rtnl_link_put(change) }
    rtnl_link_set_ifindex(change, index)
    rtnl_link_set_flags(change, UInt32(IFF_UP))
    try Self.check(rtnl_link_change(socket, change, change, 0), "rtnl_link_change", "interface \(index)")
  }

  func removeLink(_ name: String) throws(SyscallError) {
    let link = rtnl_link_alloc()
    defer { rtnl_link_put(link) }
    rtnl_link_set_name(link, name)
    do {
      try Self.check(rtnl_link_delete(socket, link), "rtnl_link_delete", name)
    } catch  where error.errno == ENODEV {
      return
    }
  }

  /// `text` is an address with its prefix length: `10.128.0.1/16`. One of IPv6 is used at once: nobody else can have it.
  func addAddress(_ text: String, to index: Int32) throws(SyscallError) {
    let local = try Self.address(text)
    defer { nl_addr_put(local) }
    let address = rtnl_addr_alloc()
    defer { rtnl_addr_put(address) }
    rtnl_addr_set_ifindex(address, index)
    try Self.check(rtnl_addr_set_local(address, local), "rtnl_addr_set_local", text)
    if text.contains(":") { rtnl_addr_set_flags(address, UInt32(IFA_F_NODAD)) }
    do {
      try Self.check(rtnl_addr_add(socket, address, 0), "rtnl_addr_add", text)
    } catch  where error.errno == EEXIST {
      return
    }
  }

  /// An address or a network of either family.
  static func address(_ text: String) throws(SyscallError) -> OpaquePointer {
    var parsed: OpaquePointer?
    try check(nl_addr_parse(text, text.contains(":") ? AF_INET6 : AF_INET, &parsed), "nl_addr_parse", text)
    guard let parsed else { throw SyscallError(call: "nl_addr_parse", object: text, errno: EINVAL) }
    return parsed
  }

  func addDefaultRoute(gateway: String, over index: Int32) throws(SyscallError) {
    try addRoute(KernelRoute(network: gateway.contains(":") ? "::/0" : "0.0.0.0/0", gateway: gateway, index: index))
  }
}

extension FixedWidthInteger {
  fileprivate var magnitude32: UInt32 { UInt32(truncatingIfNeeded: self) }
}
