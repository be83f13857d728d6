// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// Where to listen: `tcp://ADDRESS:PORT`, `udp://ADDRESS:PORT` or `unix:///PATH`. Addresses are numbers, never names; an
/// IPv6 address stands in brackets.
public struct ListenAddress: Sendable, Hashable {
  public enum Kind: Sendable, Hashable { case tcp, udp, unix }
  public var kind: Kind
  /// The address without brackets, or the path.
  public var host: String
  public var port: UInt16

  public init?(_ text: String) {
    if text.hasPrefix("unix:///") {
      kind = .unix
      host = String(text.dropFirst(7))
      port = 0
      guard !host.split(separator: "/").contains(".."), host.utf8.count < 4000, host != "/" else { return nil }
      return
    }
    guard text.hasPrefix("tcp://") || text.hasPrefix("udp://") else { return nil }
    kind = text.hasPrefix("tcp") ? .tcp : .udp
    let rest = text.dropFirst(6)
    guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]) else { return nil }
    self.port = port
    var host = String(rest[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      guard host.contains(":") else { return nil }
    } else if host.contains(":") {
      return nil
    }
    self.host = host
    guard withSocketAddress({ _, _, _ in 0 }) != nil else { return nil }
  }

  /// Opens the socket, listening where it is a stream.
  ///
  /// - Parameter early: the address need not be this machine's yet (ip(7), `IP_FREEBIND`).
  public func listen(mode: UInt32 = 0o600, backlog: Int32 = 1024, early: Bool = false) throws(SyscallError)
    -> Descriptor
  {
    guard kind != .unix else { return try UnixSocket.listen(host, mode: mode, backlog: backlog) }
    let type = kind == .tcp ? Int32(SOCK_STREAM.rawValue) : Int32(SOCK_DGRAM.rawValue)
    let object = "\(kind == .tcp ? "tcp" : "udp")://\(host):\(port)"
    let family = host.contains(":") ? AF_INET6 : AF_INET
    let number = socket(family, type | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { throw SyscallError(call: "socket", object: object, errno: errno) }
    let descriptor = Descriptor(owning: number)
    var on: Int32 = 1
    let size = socklen_t(MemoryLayout<Int32>.size)
    // Connections of an earlier listener that linger are no reason to refuse.
    if kind == .tcp { setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, size) }
    if early { setsockopt(number, Int32(IPPROTO_IP), IP_FREEBIND, &on, size) }
    // [::] means IPv6 alone: IPv4 is asked for by 0.0.0.0.
    if family == AF_INET6 { setsockopt(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, size) }
    let bound = withSocketAddress { _, address, length in bind(number, address, length) < 0 ? errno : 0 } ?? EINVAL
    guard bound == 0 else { throw SyscallError(call: "bind", object: object, errno: bound) }
    if kind == .tcp {
      try checkErrno(Glibc.listen(number, backlog), "listen", object)
    }
    return descriptor
  }

  /// Connects to it, with a time limit for that and for each later transfer.
  public func connect(seconds: Int) throws(SyscallError) -> Descriptor {
    let object = kind == .unix ? "unix://\(host)" : "\(kind == .tcp ? "tcp" : "udp")://\(host):\(port)"
    if kind == .unix { return try UnixSocket.connect(host, kind: .datagram, seconds: seconds) }
    let type = kind == .tcp ? Int32(SOCK_STREAM.rawValue) : Int32(SOCK_DGRAM.rawValue)
    let number = socket(host.contains(":") ? AF_INET6 : AF_INET, type | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { throw SyscallError(call: "socket", object: object, errno: errno) }
    let descriptor = Descriptor(owning: number)
    try UnixSocket.limit(number, seconds: seconds)
    let failure = withSocketAddress { _, address, length in
      Glibc.connect(number, address, length) < 0 ? errno : 0
    }
    guard failure == 0 else { throw SyscallError(call: "connect", object: object, errno: failure ?? EINVAL) }
    return descriptor
  }

  /// Begins to connect a stream, and does not wait: the socket can be written when the connection is there, or has failed
  /// (connect(2), `EINPROGRESS`); ``connectionError(of:)`` tells which.
  public func beginConnect() throws(SyscallError) -> Descriptor {
    if kind == .unix { return try UnixSocket.beginConnect(host) }
    let object = "tcp://\(host):\(port)"
    guard kind == .tcp else { throw SyscallError(call: "connect", object: object, errno: EPROTOTYPE) }
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let number = socket(host.contains(":") ? AF_INET6 : AF_INET, type, 0)
    guard number >= 0 else { throw SyscallError(call: "socket", object: object, errno: errno) }
    let descriptor = Descriptor(owning: number)
    let failure = withSocketAddress { _, address, length in
      Glibc.connect(number, address, length) < 0 ? errno : 0
    }
    guard failure == 0 || failure == EINPROGRESS else {
      throw SyscallError(call: "connect", object: object, errno: failure ?? EINVAL)
    }
    return descriptor
  }

  /// What became of a connection that was begun; 0 when it is there (socket(7), `SO_ERROR`).
  public static func connectionError(of socket: Int32) -> Int32 {
    var error: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error
  }

  /// The address in the kernel's form; `nil` when it is none.
  public func withSocketAddress<Result>(
    _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result? {
    if host.contains(":") {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      guard inet_pton(AF_INET6, host, &address.sin6_addr) == 1 else { return nil }
      return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          body(AF_INET6, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
      }
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { return nil }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body(AF_INET, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
}
