// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// How fast a container may receive and send over its network, in bytes a second; `nil` is as fast as it can.
public struct BandwidthLimits: Codable, Sendable, Hashable {
  public var receive: UInt64?
  public var send: UInt64?

  /// What may be asked for: 8 kbit/s to 16 Gbit/s.
  public static let range: ClosedRange<UInt64> = 1000...2_000_000_000

  public init(receive: UInt64? = nil, send: UInt64? = nil) {
    self.receive = receive
    self.send = send
  }
}
