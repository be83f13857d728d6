// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC

/// A port of the node's loopback address.
struct HostPort: Hashable, Sendable {
  var proto: BundleDescriptor.Endpoint.Proto
  var port: UInt16

  init(_ proto: BundleDescriptor.Endpoint.Proto, _ port: UInt16) {
    self.proto = proto
    self.port = port
  }

  /// The port to publish on: the wanted one if it is free, else an error; for 0, a free one.
  static func choose(_ publication: HostMethods.Publication, taken: Set<HostPort>) throws(RPCError) -> UInt16 {
    let name = "\(publication.hostPort)/\(publication.proto.rawValue)"
    if publication.hostPort != 0 {
      if taken.contains(HostPort(publication.proto, publication.hostPort)) {
        throw RPCError(
          .alreadyExists,
          "endpoint \(publication.name): port \(name) of the node is published by another container; choose another with --publish \(publication.name)=PORT"
        )
      }
      guard probe(publication.proto, publication.hostPort) != nil else {
        throw RPCError(
          .alreadyExists,
          "endpoint \(publication.name): port \(name) of the node is in use by another program; choose another with --publish \(publication.name)=PORT"
        )
      }
      return publication.hostPort
    }
    for _ in 0..<64 {
      if let port = probe(publication.proto, 0), !taken.contains(HostPort(publication.proto, port)) { return port }
    }
    throw RPCError(.noSpace, "endpoint \(publication.name): the node has no free port")
  }

  /// Binds and lets go: the port if it was free.
  private static func probe(_ proto: BundleDescriptor.Endpoint.Proto, _ port: UInt16) -> UInt16? {
    let kind = proto == .tcp ? Int32(SOCK_STREAM.rawValue) : Int32(SOCK_DGRAM.rawValue)
    let number = socket(AF_INET, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { return nil }
    defer { close(number) }
    // A listener that ended a moment ago leaves connections in TIME_WAIT, which are no reason to refuse.
    var on: Int32 = 1
    if proto == .tcp { setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size)) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        guard bind(number, generic, length) == 0, getsockname(number, generic, &length) == 0 else { return nil }
        return UInt16(bigEndian: pointer.pointee.sin_port)
      }
    }
  }
}
