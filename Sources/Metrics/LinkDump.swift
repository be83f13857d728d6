// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import LinuxKernel

/// All network interfaces as the kernel tells them in one answer (rtnetlink(7), `RTM_GETLINK`), which is read where it lies.
///
/// Cheaper than twenty files of sysfs for each interface, which is what counts where each container has one.
final class LinkDump {
  /// One interface; its attributes are ranges of the answer.
  struct Link {
    var index: Int32 = 0
    /// ARPHRD_…, which node_exporter calls the protocol type.
    var type: UInt16 = 0
    var flags: UInt32 = 0
    var name = 0..<0
    var address = 0..<0
    var broadcast = 0..<0
    var alias = 0..<0
    var mtu: UInt32 = 0
    /// The index of the interface that it hangs on; its own where it hangs on none.
    var link: Int32?
    var queueLength: UInt32 = 0
    var operationalState: UInt8 = 0
    var linkMode: UInt8 = 0
    var group: UInt32 = 0
    var carrier: UInt8 = 0
    var carrierChanges: UInt32?
    var carrierUps: UInt32?
    var carrierDowns: UInt32?
    /// rtnl_link_stats64: 24 counters of 8 bytes; kernels before 4.6 have one less.
    var statistics = 0..<0

    var isUp: Bool { flags & 1 != 0 }
  }

  private var socket: Descriptor?
  private var sequence: UInt32 = 0
  /// The kernel fills at most 32 KiB at a time for a reader with this much room.
  private var bytes = [UInt8](repeating: 0, count: 64 << 10)

  /// Calls `body` for each interface with the answer's bytes.
  ///
  /// - Throws: what the kernel answered, `EBADMSG` when the answer makes no sense.
  func each(_ body: (Link, Span<UInt8>) -> Void) throws(SyscallError) {
    sequence &+= 1
    do {
      try ask(body)
    } catch {
      // What is left of this answer must not be taken for the next.
      socket = nil
      throw error
    }
  }

  private func ask(_ body: (Link, Span<UInt8>) -> Void) throws(SyscallError) {
    if socket == nil {
      let made = cl_route_socket()
      guard made >= 0 else { throw SyscallError(call: "socket", object: "netlink", errno: -made) }
      socket = Descriptor(owning: made)
    }
    let raw = socket?.raw ?? -1
    let asked = cl_request_links(raw, sequence)
    guard asked >= 0 else { throw SyscallError(call: "sendto", object: "netlink", errno: -asked) }
    while true {
      let count = bytes.withUnsafeMutableBytes { cl_receive_links(raw, $0.baseAddress, $0.count) }
      guard count >= 0 else { throw SyscallError(call: "recvfrom", object: "netlink", errno: Int32(-count)) }
      let answer = bytes
      let isMore = try Self.parse(answer.span, count: count, sequence: sequence, body)
      if !isMore { return }
    }
  }

  private static let headerSize = 16
  private static let done: UInt16 = 3
  private static let error: UInt16 = 2
  private static let newLink: UInt16 = 16

  /// Returns false after the last part of the answer.
  static func parse(
    _ bytes: Span<UInt8>, count: Int, sequence: UInt32, _ body: (Link, Span<UInt8>) -> Void
  ) throws(SyscallError) -> Bool {
    var start = 0
    while count - start >= headerSize {
      let length = Int(number32(bytes, start))
      guard length >= headerSize, length <= count - start else {
        throw SyscallError(call: "recvfrom", object: "netlink", errno: 74, detail: "a message of \(length) bytes")
      }
      let type = number16(bytes, start + 4)
      // An answer to an earlier question, which was given up.
      if number32(bytes, start + 8) == sequence {
        if type == done { return false }
        if type == error {
          let code = length >= headerSize + 4 ? Int32(bitPattern: number32(bytes, start + headerSize)) : -74
          throw SyscallError(call: "RTM_GETLINK", object: "netlink", errno: -code)
        }
        if type == newLink, let link = link(bytes, start + headerSize..<start + length) { body(link, bytes) }
      }
      start += (length + 3) & ~3
    }
    return true
  }

  private static func link(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Link? {
    // ifinfomsg: family, padding, type, index, flags, change.
    guard range.count >= 16 else { return nil }
    var link = Link()
    link.type = number16(bytes, range.lowerBound + 2)
    link.index = Int32(bitPattern: number32(bytes, range.lowerBound + 4))
    link.flags = number32(bytes, range.lowerBound + 8)
    var start = range.lowerBound + 16
    while range.upperBound - start >= 4 {
      let length = Int(number16(bytes, start))
      guard length >= 4, length <= range.upperBound - start else { break }
      set(&link, number16(bytes, start + 2) & 0x3fff, bytes, start + 4..<start + length)
      start += (length + 3) & ~3
    }
    return link.name.isEmpty ? nil : link
  }

  /// The numbers are those of `enum` IFLA_… in linux/if_link.h.
  private static func set(_ link: inout Link, _ attribute: UInt16, _ bytes: Span<UInt8>, _ value: Range<Int>) {
    switch attribute {
    case 1: link.address = value
    case 2: link.broadcast = value
    case 3: link.name = text(bytes, value)
    case 20: link.alias = text(bytes, value)
    case 23: link.statistics = value
    case 16 where !value.isEmpty: link.operationalState = bytes[value.lowerBound]
    case 17 where !value.isEmpty: link.linkMode = bytes[value.lowerBound]
    case 33 where !value.isEmpty: link.carrier = bytes[value.lowerBound]
    default:
      guard value.count >= 4 else { return }
      let number = number32(bytes, value.lowerBound)
      switch attribute {
      case 4: link.mtu = number
      case 5: link.link = Int32(bitPattern: number)
      case 13: link.queueLength = number
      case 27: link.group = number
      case 35: link.carrierChanges = number
      case 47: link.carrierUps = number
      case 48: link.carrierDowns = number
      default: break
      }
    }
  }

  /// Without the 0 at its end.
  private static func text(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var scanner = ByteScanner(range)
    return scanner.until(0, bytes)
  }

  // Little-endian, as are all machines that this is built for.
  private static func number16(_ bytes: Span<UInt8>, _ at: Int) -> UInt16 {
    UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8
  }

  private static func number32(_ bytes: Span<UInt8>, _ at: Int) -> UInt32 {
    UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16 | UInt32(bytes[at + 3]) << 24
  }

  /// One of the 24 counters; 0 where the kernel does not have it.
  static func counter(_ place: Int, of link: Link, _ bytes: Span<UInt8>) -> Double {
    let start = link.statistics.lowerBound + place * 8
    guard start + 8 <= link.statistics.upperBound else { return 0 }
    return Double(UInt64(number32(bytes, start)) | UInt64(number32(bytes, start + 4)) << 32)
  }
}
