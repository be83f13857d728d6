// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CNetlink
import Glibc
import LinuxKernel

/// Limits of bandwidth: a token bucket at each end of the way (tc-tbf(8)).
extension Netlink {
  /// What is sent over an interface is held to a rate.
  ///
  /// - Parameter rate: bytes a second.
  func shape(_ index: Int32, rate: UInt64) throws(SyscallError) {
    guard let queue = rtnl_qdisc_alloc() else {
      throw SyscallError(call: "rtnl_qdisc_alloc", object: "interface \(index)", errno: ENOMEM)
    }
    defer { rtnl_qdisc_put(queue) }
    rtnl_tc_set_ifindex(queue, index)
    rtnl_tc_set_parent(queue, UInt32(TC_H_ROOT))
    try Self.check(rtnl_tc_set_kind(queue, "tbf"), "rtnl_tc_set_kind", "tbf")
    let limited = Int32(clamping: rate)
    // A burst of 20 ms, and room for a frame of segmentation offload; 50 ms of packets wait, the others are dropped.
    let burst = Int32(clamping: max(rate / 50, 131_072))
    rtnl_qdisc_tbf_set_rate(queue, limited, burst, 0)
    rtnl_qdisc_tbf_set_limit(queue, Int32(clamping: rate / 20 + UInt64(burst)))
    try Self.check(
      rtnl_qdisc_add(socket, queue, NLM_F_CREATE | NLM_F_REPLACE), "rtnl_qdisc_add", "interface \(index)")
  }

  /// An intermediate device, through which what comes in at an interface passes before it is looked at, since a queue can only
  /// hold what goes out.
  func addIntermediate(_ name: String, for index: Int32) throws(SyscallError) -> Int32 {
    let link = rtnl_link_alloc()
    defer { rtnl_link_put(link) }
    rtnl_link_set_name(link, name)
    rtnl_link_set_flags(link, UInt32(IFF_UP))
    try Self.check(rtnl_link_set_type(link, "ifb"), "rtnl_link_set_type", "ifb")
    try Self.check(rtnl_link_add(socket, link, NLM_F_CREATE | NLM_F_EXCL), "rtnl_link_add", "ifb \(name)")
    let target = self.index(of: name)
    guard let ingress = rtnl_qdisc_alloc(), let classifier = rtnl_cls_alloc(), let action = rtnl_act_alloc() else {
      throw SyscallError(call: "rtnl_act_alloc", object: name, errno: ENOMEM)
    }
    defer {
      rtnl_qdisc_put(ingress)
      rtnl_cls_put(classifier)
    }
    rtnl_tc_set_ifindex(ingress, index)
    rtnl_tc_set_parent(ingress, UInt32(TC_H_INGRESS))
    try Self.check(rtnl_tc_set_kind(ingress, "ingress"), "rtnl_tc_set_kind", "ingress")
    try Self.check(rtnl_qdisc_add(socket, ingress, NLM_F_CREATE), "rtnl_qdisc_add", "interface \(index)")
    rtnl_tc_set_ifindex(classifier, index)
    rtnl_tc_set_parent(classifier, 0xffff_0000)
    // A match of nothing at the packet's first word: every packet. Smaller kernels have u32 and nothing simpler (tc-u32(8)).
    try Self.check(rtnl_tc_set_kind(classifier, "u32"), "rtnl_tc_set_kind", "u32")
    rtnl_cls_set_protocol(classifier, UInt16(ETH_P_ALL))
    rtnl_cls_set_prio(classifier, 1)
    try Self.check(rtnl_tc_set_kind(action, "mirred"), "rtnl_tc_set_kind", "mirred")
    rtnl_mirred_set_action(action, TCA_EGRESS_REDIR)
    rtnl_mirred_set_policy(action, TC_ACT_STOLEN)
    rtnl_mirred_set_ifindex(action, UInt32(target))
    try Self.check(rtnl_u32_add_key(classifier, 0, 0, 0, 0), "rtnl_u32_add_key", name)
    // Without this the match is only a step to another table of matches.
    try Self.check(rtnl_u32_set_cls_terminal(classifier), "rtnl_u32_set_cls_terminal", name)
    try Self.check(rtnl_u32_add_action(classifier, action), "rtnl_u32_add_action", name)
    try Self.check(rtnl_cls_add(socket, classifier, NLM_F_CREATE), "rtnl_cls_add", "interface \(index)")
    return target
  }
}
