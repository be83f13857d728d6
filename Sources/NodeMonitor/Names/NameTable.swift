// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// The containers' names, and what is answered about them.
///
/// `NAME` and `NAME.containers.internal` have an A record, and an AAAA record where the container has an IPv6 address, `_ENDPOINT._tcp.NAME.containers.internal` an SRV record (RFC 2782),
/// and each address a PTR record. What belongs to others is not answered here.
struct NameTable: Sendable {
  enum Outcome: Sendable, Equatable {
    case records([DNSAnswer.Record])
    /// Ours, and it does not exist.
    case noSuchName
    /// Somebody else's.
    case notOurs
  }

  /// Of each container: of 4 or of 16 bytes.
  private var addresses: [String: [[UInt8]]] = [:]
  private var names: [[UInt8]: String] = [:]
  private var services: [String: (port: UInt16, target: String)] = [:]
  /// The names that have others below them.
  private var parents: Set<String> = []
  /// Whose addresses are ours alone.
  private var networks: [IPNetwork] = []

  private static let suffix = "." + NameMethods.domain
  private static let internet: UInt16 = 1

  init(_ known: NameMethods.Names? = nil) {
    guard let known else { return }
    networks = known.networks.compactMap { IPNetwork($0) }
    for container in known.containers {
      let own = [container.address, container.address6].compactMap { $0 }.compactMap { IPNetwork.address($0) }
      guard !own.isEmpty else { continue }
      let name = container.name.lowercased()
      addresses[name] = own
      for address in own { names[address] = name + Self.suffix }
      for endpoint in container.endpoints {
        let service = "_\(endpoint.name.lowercased())._\(endpoint.proto.rawValue).\(name)"
        services[service] = (endpoint.port, name + Self.suffix)
        parents.insert("_\(endpoint.proto.rawValue).\(name)")
      }
    }
  }

  func look(_ query: DNSQuery) -> Outcome {
    guard query.recordClass == Self.internet || query.recordClass == DNSAnswer.any else { return .notOurs }
    if query.name.hasSuffix(".arpa") { return reverse(query) }
    var name = query.name
    if name == NameMethods.domain { return .records([]) }
    let isOurs = name.hasSuffix(Self.suffix)
    if isOurs { name = String(name.dropLast(Self.suffix.count)) }
    if let known = addresses[name] {
      let records = known.map {
        DNSAnswer.Record(type: $0.count == 4 ? DNSAnswer.address : DNSAnswer.address6, data: $0)
      }
      return .records(records.filter { query.asks($0.type) })
    }
    if let service = services[name], isOurs {
      guard query.asks(DNSAnswer.service) else { return .records([]) }
      // Priority and weight 0.
      let data = [0, 0, 0, 0] + DNSAnswer.word(service.port) + DNSAnswer.name(service.target)
      return .records([.init(type: DNSAnswer.service, data: data)])
    }
    if isOurs, parents.contains(name) { return .records([]) }
    return isOurs ? .noSuchName : .notOurs
  }

  /// `4.3.2.1.in-addr.arpa` (RFC 1035 §3.5), or the 32 digits of an IPv6 address before `ip6.arpa` (RFC 3596 §2.5).
  private func reverse(_ query: DNSQuery) -> Outcome {
    guard let asked = Self.reversed(query.name), networks.contains(where: { $0.contains(asked) }) else {
      return .notOurs
    }
    // Of one address, and not of a part of the tree.
    guard asked.prefix == asked.bytes.count * 8, let name = names[asked.bytes] else { return .noSuchName }
    return .records(
      query.asks(DNSAnswer.pointer) ? [.init(type: DNSAnswer.pointer, data: DNSAnswer.name(name))] : [])
  }

  /// What a name of the reverse trees stands for, as far as it can be read.
  private static func reversed(_ name: String) -> IPNetwork? {
    let labels = name.split(separator: ".", omittingEmptySubsequences: false).reversed()
    let isIPv6 = labels.dropFirst().first == "ip6"
    guard isIPv6 || labels.dropFirst().first == "in-addr", labels.first == "arpa" else { return nil }
    var bytes: [UInt8] = []
    var bits = 0
    let most = isIPv6 ? 128 : 32
    for label in labels.dropFirst(2) {
      guard bits < most, let number = isIPv6 ? UInt8(label, radix: 16) : UInt8(label), !isIPv6 || number < 16 else {
        break
      }
      if !isIPv6 {
        bytes.append(number)
      } else if bits % 8 == 0 {
        bytes.append(number << 4)
      } else {
        bytes[bytes.count - 1] |= number
      }
      bits += isIPv6 ? 4 : 8
    }
    return IPNetwork(bytes: bytes + [UInt8](repeating: 0, count: most / 8 - bytes.count), prefix: bits)
  }
}

extension DNSQuery {
  fileprivate func asks(_ wanted: UInt16) -> Bool { type == wanted || type == DNSAnswer.any }
}
