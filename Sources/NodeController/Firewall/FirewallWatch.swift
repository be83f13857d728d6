// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LinuxKernel

/// Hears from the kernel who changes nftables (nfnetlink, `NFNLGRP_NFTABLES`).
struct FirewallWatch: Sendable {
  /// A change to our table that was not ours.
  struct Notice: Sendable, Equatable {
    /// The name of the thread that made it; `nil` where notices were lost.
    var by: String?
  }

  private let socket: SharedDescriptor

  private static let netfilter: Int32 = 12  // NETLINK_NETFILTER
  private static let group: UInt32 = 7  // NFNLGRP_NFTABLES
  private static let subsystem: UInt16 = 10  // NFNL_SUBSYS_NFTABLES
  private static let newGeneration: UInt16 = 15  // NFT_MSG_NEWGEN
  private static let tableName: UInt16 = 1  // NFTA_TABLE_NAME, and the table's name in messages of what is in it
  private static let processName: UInt16 = 3  // NFTA_GEN_PROC_NAME

  /// Opens the socket in the network namespace of the calling thread.
  init() throws(SyscallError) {
    let number = cl_netlink_listen(Self.netfilter, Self.group)
    guard number >= 0 else { throw SyscallError(call: "socket(AF_NETLINK)", object: "nfnetlink", errno: -number) }
    socket = SharedDescriptor(Descriptor(owning: number))
  }

  /// Tells of foreign changes to a table until `isOver`; waits, so on a thread of its own.
  func follow(_ table: String, isOver: () -> Bool, _ told: (Notice) -> Void) {
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    var isTouched = false
    while !isOver() {
      var poll = PollSet()
      poll.add(socket.raw)
      guard (try? poll.wait(milliseconds: 500)) == true else { continue }
      let count = recv(socket.raw, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      if count < 0 {
        // More than it could hold: what was lost may have been of our table.
        if errno == ENOBUFS { told(Notice(by: nil)) }
        continue
      }
      Self.scan(buffer, count: count, table: table, &isTouched) { told(Notice(by: $0)) }
    }
  }

  /// Goes through messages; a transaction ends with one that says who made it.
  static func scan(
    _ bytes: [UInt8], count: Int, table: String, _ isTouched: inout Bool, _ told: (String) -> Void
  ) {
    func word16(_ place: Int) -> UInt16 { UInt16(bytes[place]) | UInt16(bytes[place + 1]) << 8 }
    func word32(_ place: Int) -> Int { Int(word16(place)) | Int(word16(place + 2)) << 16 }
    func text(_ attribute: UInt16, from start: Int, to end: Int) -> String? {
      var place = start
      while place + 4 <= end {
        let length = Int(word16(place))
        guard length >= 4, place + length <= end else { return nil }
        if word16(place + 2) & 0x3fff == attribute {
          return String(decoding: bytes[(place + 4)..<(place + length)].prefix { $0 != 0 }, as: UTF8.self)
        }
        place += (length + 3) & ~3
      }
      return nil
    }
    let count = min(count, bytes.count)
    var place = 0
    while place + 20 <= count {
      let length = word32(place)
      guard length >= 20, place + length <= count else { return }
      let type = word16(place + 4)
      // A netlink header of 16 bytes, and one of nfnetlink of 4.
      if type >> 8 == subsystem {
        if type & 0xff == newGeneration {
          let by = text(processName, from: place + 20, to: place + length) ?? "?"
          if isTouched, by != Nft.threadName { told(by) }
          isTouched = false
        } else if text(tableName, from: place + 20, to: place + length) == table {
          isTouched = true
        }
      }
      place += (length + 3) & ~3
    }
  }
}
