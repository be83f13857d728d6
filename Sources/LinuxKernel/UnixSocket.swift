// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// The kinds of unix socket that the agent uses (unix(7)).
public enum SocketKind: Sendable {
  case stream, seqpacket, datagram
  var raw: Int32 {
    switch self {
    case .stream: Int32(SOCK_STREAM.rawValue)
    case .seqpacket: Int32(SOCK_SEQPACKET.rawValue)
    case .datagram: Int32(SOCK_DGRAM.rawValue)
    }
  }
}

/// The process at the other end of a unix socket, as the kernel recorded it at `connect(2)` (`SO_PEERCRED`).
public struct PeerCredentials: Sendable, Equatable, Hashable {
  public var pid: Int32
  public var uid: UInt32
  public var gid: UInt32
  /// Supplementary groups (`SO_PEERGROUPS`).
  public var groups: [UInt32]

  public init(pid: Int32, uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
    self.pid = pid
    self.uid = uid
    self.gid = gid
    self.groups = groups
  }

  public init(of socket: Int32) throws(SyscallError) {
    var peer = cl_peer()
    try check(cl_peer_credentials(socket, &peer), "getsockopt(SO_PEERCRED)", "socket \(socket)")
    var groups = [UInt32](repeating: 0, count: 256)
    let count = try check(
      cl_peer_groups(socket, &groups, groups.count), "getsockopt(SO_PEERGROUPS)", "socket \(socket)")
    self.init(pid: peer.pid, uid: peer.uid, gid: peer.gid, groups: Array(groups.prefix(Int(count))))
  }
}

/// Unix sockets that carry descriptors (`SCM_RIGHTS`).
public enum UnixSocket {
  public static func pair(_ kind: SocketKind) throws(SyscallError) -> (SharedDescriptor, SharedDescriptor) {
    var ends: (Int32, Int32) = (-1, -1)
    let result = withUnsafeMutablePointer(to: &ends) {
      $0.withMemoryRebound(to: Int32.self, capacity: 2) { cl_socketpair(kind.raw, $0) }
    }
    try check(result, "socketpair", "a unix socket")
    return (SharedDescriptor(Descriptor(owning: ends.0)), SharedDescriptor(Descriptor(owning: ends.1)))
  }

  /// Listens at `path`; a socket that a dead process left there is replaced, any other file is `EEXIST`.
  public static func listen(_ path: String, kind: SocketKind = .stream, mode: UInt32, backlog: Int32 = 1024)
    throws(SyscallError) -> Descriptor
  {
    let socket = try bind(path, kind: kind, mode: mode)
    try checkErrno(Glibc.listen(socket.raw, backlog), "listen", path)
    return socket
  }

  /// Binds a socket; its mode is set before anyone can connect.
  public static func bind(_ path: String, kind: SocketKind, mode: UInt32) throws(SyscallError) -> Descriptor {
    if let status = try? FileSystem.status(of: path) {
      guard status.mode & S_IFMT == S_IFSOCK else { throw SyscallError(call: "bind", object: path, errno: EEXIST) }
      try FileSystem.remove(path)
    }
    let socket = Descriptor(owning: try check(cl_unix_socket(kind.raw), "socket", path))
    // The new file takes the socket's own mode, so no other thread sees a changed umask and no peer a moment too open.
    try checkErrno(fchmod(socket.raw, mode), "fchmod", path)
    try check(try withShortPath(path) { cl_bind_unix(socket.raw, $0) }, "bind", path)
    try FileSystem.mode(path, mode)
    return socket
  }

  /// Binds an abstract name, which exists in the network namespace and on no file-system; `name` begins with `@`.
  public static func bind(abstract name: String, kind: SocketKind) throws(SyscallError) -> Descriptor {
    let socket = Descriptor(owning: try check(cl_unix_socket(kind.raw), "socket", name))
    try check(cl_bind_unix(socket.raw, name), "bind", name)
    return socket
  }

  /// A socket address holds 107 bytes; a longer path goes through a descriptor of its directory.
  private static func withShortPath(_ path: String, _ body: (String) -> Int32) throws(SyscallError) -> Int32 {
    guard path.utf8.count > 107, let slash = path.lastIndex(of: "/") else { return body(path) }
    let directory = try FileSystem.open(String(path[..<slash]), flags: FileSystem.pathOnly | O_DIRECTORY)
    return body("/proc/self/fd/\(directory.raw)\(path[slash...])")
  }

  /// - Parameter seconds: a limit for connecting and for each later transfer; without one the caller waits for ever for a
  ///   peer that takes nothing.
  public static func connect(
    _ path: String, kind: SocketKind = .stream, seconds: Int? = nil
  ) throws(SyscallError) -> Descriptor {
    let socket = Descriptor(owning: try check(cl_unix_socket(kind.raw), "socket", path))
    if let seconds { try limit(socket.raw, seconds: seconds) }
    try check(try withShortPath(path) { cl_connect_unix(socket.raw, $0) }, "connect", path)
    return socket
  }

  /// Connects a stream without waiting: a listener whose queue is full is `EAGAIN`.
  static func beginConnect(_ path: String) throws(SyscallError) -> Descriptor {
    let socket = Descriptor(owning: try check(cl_unix_socket(SocketKind.stream.raw), "socket", path))
    try Descriptor.setNonblocking(socket.raw, true)
    try check(try withShortPath(path) { cl_connect_unix(socket.raw, $0) }, "connect", path)
    return socket
  }

  /// Sets how long a transfer to the peer may wait.
  public static func limitSending(_ socket: Int32, seconds: Int) throws(SyscallError) {
    var patience = timeval(tv_sec: seconds, tv_usec: 0)
    try checkErrno(
      setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size)),
      "setsockopt(SO_SNDTIMEO)", "socket \(socket)")
  }

  /// Sets how long a transfer may wait, and a connect(2), which keeps to the limit for sending (socket(7)).
  static func limit(_ socket: Int32, seconds: Int) throws(SyscallError) {
    var patience = timeval(tv_sec: seconds, tv_usec: 0)
    for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
      try checkErrno(
        setsockopt(socket, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size)),
        "setsockopt(SO_SNDTIMEO)", "socket \(socket)")
    }
  }

  public static func accept(_ socket: Int32) throws(SyscallError) -> Descriptor {
    Descriptor(owning: try check(cl_accept(socket), "accept", "socket \(socket)"))
  }

  /// Each datagram comes with its sender's pid, uid and gid, as the kernel knows them (unix(7), `SO_PASSCRED`).
  public static func passCredentials(_ socket: Int32) throws(SyscallError) {
    try check(cl_pass_credentials(socket), "setsockopt(SO_PASSCRED)", "socket \(socket)")
  }

  /// Sends one message with descriptors, which stay the caller's. On a stream socket the bytes are sent whole.
  public static func send(_ bytes: [UInt8], descriptors: [SharedDescriptor] = [], to socket: Int32)
    throws(SyscallError)
  {
    // Numbers do not keep their owners: without this the optimiser may close them before they are sent.
    defer { withExtendedLifetime(descriptors) {} }
    try send(bytes, borrowing: descriptors.map(\.raw), to: socket)
  }

  /// The same with the numbers of descriptors that the caller keeps open until this returns.
  public static func send(_ bytes: [UInt8], borrowing descriptors: [Int32], to socket: Int32) throws(SyscallError) {
    var sent = try check(
      bytes.withUnsafeBytes { cl_send_fds(socket, $0.baseAddress, $0.count, descriptors, descriptors.count) },
      "sendmsg", "socket \(socket)")
    while sent < bytes.count {
      sent += try check(
        bytes.withUnsafeBytes { cl_send_fds(socket, $0.baseAddress! + sent, $0.count - sent, nil, 0) },
        "sendmsg", "socket \(socket)")
    }
  }

  /// One message: its bytes (empty at the end of the connection) and descriptors, which the caller owns.
  public static func receive(from socket: Int32, capacity: Int = 65536, descriptors limit: Int = 8)
    throws(SyscallError) -> (bytes: [UInt8], descriptors: [SharedDescriptor])
  {
    var numbers = [Int32](repeating: -1, count: limit)
    var count = 0
    var result = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, filled in
      result = cl_receive_fds(socket, buffer.baseAddress, capacity, &numbers, limit, &count)
      filled = max(result, 0)
    }
    try check(result, "recvmsg", "socket \(socket)")
    return (bytes, numbers.prefix(count).map { SharedDescriptor(Descriptor(owning: $0)) })
  }
}
