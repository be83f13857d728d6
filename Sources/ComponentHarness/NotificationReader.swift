// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LaunchPlan
import LinuxKernel

/// What a workload says on `NOTIFY_SOCKET` (sd_notify(3)), read from a datagram of any content.
public enum NotificationReader {
  public enum Item: Equatable, Sendable {
    case notice(KeeperNotice)
    case text(String)
  }

  /// Assignments that mean nothing here are passed over.
  public static func items(in datagram: some Collection<UInt8>) -> [Item] {
    datagram.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let text = String(decoding: line.prefix(512), as: UTF8.self)
      switch text {
      case "READY=1": return .notice(.ready)
      case "RELOADING=1": return .notice(.reloading)
      case "STOPPING=1": return .notice(.stopping)
      case "WATCHDOG=1": return .notice(.heartbeat)
      case "WATCHDOG=trigger": return .notice(.distress)
      default: return text.hasPrefix("STATUS=") ? .text(String(text.dropFirst(7).prefix(256))) : nil
      }
    }
  }

  /// Reads every datagram that is there; those of other users than root and `uid`, where there is one, are dropped.
  static func read(_ socket: Int32, from uid: UInt32?) -> [Item] {
    var bytes = [UInt8](repeating: 0, count: 4096)
    var peer = cl_peer()
    var found: [Item] = []
    // As many as there are, but not for ever: a workload that does nothing else must not hold up its log.
    for _ in 0..<64 {
      let count = cl_receive_credentials(socket, &bytes, bytes.count, &peer)
      if count < 0 { break }
      if uid == nil || peer.uid == uid || peer.uid == 0 { found += items(in: bytes.prefix(count)) }
    }
    return found
  }
}
