// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel

/// A container's interface at the bridge, the only addresses that it may use, and what it serves there.
struct AttachedPort: Hashable, Sendable {
  /// The host's end.
  var interface: String
  var hardwareAddress: [UInt8]
  var address: String
  var address6: String?
  var served: [HostMethods.Served] = []
  var bandwidth: BandwidthLimits?

  /// With no wider scope than the policy lets it have.
  func capped(_ policy: FirewallPolicy) -> AttachedPort {
    var capped = self
    capped.served = served.map {
      .init(
        name: $0.name, proto: $0.proto, port: $0.port, count: $0.count,
        scope: min($0.scope, policy.containers ?? .internet))
    }
    return capped
  }

  var hardwareText: String {
    hardwareAddress.hexadecimalDigits.joined(separator: ":")
  }

  /// The address that the kernel gives an interface with IPv6 by itself (RFC 4291, appendix A).
  private var linkLocal: String? {
    guard address6 != nil, hardwareAddress.count == 6 else { return nil }
    let hardware = hardwareAddress
    let bytes: [UInt8] =
      [0xfe, 0x80, 0, 0, 0, 0, 0, 0, hardware[0] ^ 2, hardware[1], hardware[2], 0xff, 0xfe] + hardware.suffix(3)
    return IPNetwork(bytes: bytes, prefix: 128)?.text
  }

  /// Its own, and the link's.
  var addresses6: [String] { [address6, linkLocal].compactMap { $0 } }

  /// As elements of the tables' sets, in nft(8)'s words.
  var elements: [(set: String, element: String)] {
    var all = [("ports", "\"\(interface)\" . \(hardwareText) . \(address)")]
    for one in addresses6 {
      all.append(("ports6", "\"\(interface)\" . \(hardwareText) . \(one)"))
      all.append(("targets6", "\"\(interface)\" . \(Self.number(one))"))
    }
    for endpoint in served {
      for port in Int(endpoint.port)..<(Int(endpoint.port) + Int(endpoint.count ?? 1)) {
        for (one, family) in [(address, "4"), (address6, "6")] {
          guard let one else { continue }
          let element = "\(one) . \(endpoint.proto.number) . \(port)"
          all += [("received\(family)", element), ("sent\(family)", element)]
          if endpoint.scope >= .cluster { all.append(("direct\(family)", element)) }
        }
      }
    }
    return all
  }

  /// Two containers that reach each other: in both directions, for what is bridged is not tracked as connections. With IPv6 each
  /// asks for the other's hardware address from any of its own.
  static func elements(linking one: AttachedPort, _ other: AttachedPort) -> [(set: String, element: String)] {
    var all: [(String, String)] = []
    for (left, right) in [(one, other), (other, one)] {
      for set in ["links", "bridge-links"] { all.append((set, "\(left.address) . \(right.address)")) }
      for source in left.addresses6 {
        for target in right.addresses6 {
          for set in ["links6", "bridge-links6"] { all.append((set, "\(source) . \(target)")) }
          for set in ["neighbours6", "bridge-neighbours6"] { all.append((set, "\(source) . \(number(target))")) }
        }
      }
    }
    return all
  }

  /// An address as nft(8) prints raw bytes of a packet.
  private static func number(_ address: String) -> String {
    let digits = (IPNetwork.address(address) ?? []).hexadecimal
    return "0x\(digits.drop { $0 == "0" })"
  }
}
