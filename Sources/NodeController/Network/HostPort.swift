// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC

/// A port of the node, on all of its addresses.
struct HostPort: Hashable, Sendable {
  var proto: BundleDescriptor.Endpoint.Proto
  var port: UInt16

  init(_ proto: BundleDescriptor.Endpoint.Proto, _ port: UInt16) {
    self.proto = proto
    self.port = port
  }

  /// The port to publish on, the first of `count` in a row: the wanted one if they are free, else an error; for 0, free ones.
  static func choose(_ publication: HostMethods.Publication, taken: Set<HostPort>) throws(RPCError) -> UInt16 {
    let count = Int(publication.count ?? 1)
    func ports(from first: UInt16) -> [UInt16] { (0..<count).compactMap { UInt16(exactly: Int(first) + $0) } }
    if publication.hostPort != 0 {
      let wanted = ports(from: publication.hostPort)
      guard wanted.count == count else {
        throw RPCError(
          .invalidParams,
          "endpoint \(publication.name): its \(count) ports would go beyond 65535; begin with a lower one")
      }
      for port in wanted {
        let name = "\(port)/\(publication.proto.rawValue)"
        if taken.contains(HostPort(publication.proto, port)) {
          throw RPCError(
            .alreadyExists,
            "endpoint \(publication.name): port \(name) of the node is published by another container; choose another with --publish \(publication.name)=PORT"
          )
        }
        guard probe(publication.proto, port) != nil else {
          throw RPCError(
            .alreadyExists,
            "endpoint \(publication.name): port \(name) of the node is in use by another program; choose another with --publish \(publication.name)=PORT"
          )
        }
      }
      return publication.hostPort
    }
    for _ in 0..<64 {
      guard let first = probe(publication.proto, 0) else { continue }
      let found = ports(from: first)
      if found.count == count,
        found.allSatisfy({ !taken.contains(HostPort(publication.proto, $0)) && probe(publication.proto, $0) != nil })
      {
        return first
      }
    }
    throw RPCError(
      .noSpace,
      "endpoint \(publication.name): the node has no \(count == 1 ? "free port" : "\(count) free ports in a row")")
  }

  /// Binds and lets go: the port if it was free, with both families where there are two.
  private static func probe(_ proto: BundleDescriptor.Endpoint.Proto, _ port: UInt16) -> UInt16? {
    guard let found = probe(proto, port, family: AF_INET) else { return nil }
    return NetworkPool.hasIPv6 && probe(proto, found, family: AF_INET6) == nil ? nil : found
  }

  private static func probe(_ proto: BundleDescriptor.Endpoint.Proto, _ port: UInt16, family: Int32) -> UInt16? {
    let kind = proto == .tcp ? Int32(SOCK_STREAM.rawValue) : Int32(SOCK_DGRAM.rawValue)
    let number = socket(family, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { return nil }
    defer { close(number) }
    // A listener that ended a moment ago leaves connections in TIME_WAIT, which are no reason to refuse.
    var on: Int32 = 1
    if proto == .tcp { setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size)) }
    // On every address: packets to any of them go to the container.
    var storage = sockaddr_storage()
    var length: socklen_t
    if family == AF_INET6 {
      setsockopt(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, socklen_t(MemoryLayout<Int32>.size))
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    } else {
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
    }
    storage.ss_family = sa_family_t(family)
    return withUnsafeMutableBytes(of: &storage) { bytes -> UInt16? in
      // The port has the same place in both, in network order (ip(7), ipv6(7)).
      bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
      guard let generic = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
        bind(number, generic, length) == 0, getsockname(number, generic, &length) == 0
      else { return nil }
      return UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
    }
  }
}
