// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import Logging
import Synchronization

/// Answers the program that the kernel runs for keys: root on this machine, and nobody else.
final class RedeemServer: Sendable {
  private let socket: SharedDescriptor
  private let path: String
  private let registry: IdentityRegistry
  private let logger: Logger
  private let isOver = Atomic<Bool>(false)

  /// An agent waits for its start meanwhile.
  private static let patience: Int64 = 20_000

  init(path: String, registry: IdentityRegistry, logger: Logger) throws {
    self.path = path
    self.registry = registry
    self.logger = logger
    socket = SharedDescriptor(try UnixSocket.listen(path, kind: .seqpacket, mode: 0o600))
  }

  func start() throws {
    try NamedThread.start("redeem") { [self] in
      while !isOver.load(ordering: .relaxed) {
        do {
          let connection = SharedDescriptor(try UnixSocket.accept(socket.raw))
          Task { await self.answer(connection) }
        } catch {
          guard !isOver.load(ordering: .relaxed) else { return }
          logger.error("cannot accept a request for a key", metadata: ["error": "\(error)"])
          usleep(100_000)
        }
      }
    }
  }

  func stop() {
    isOver.store(true, ordering: .relaxed)
    shutdown(socket.raw, Int32(SHUT_RDWR))
    // Whoever comes next makes it anew.
    try? FileSystem.remove(path)
  }

  private func answer(_ connection: SharedDescriptor) async {
    let request: RedeemRequest
    do {
      request = try await Blocking.run { try Self.receive(connection) }
    } catch {
      logger.warning("a request for a key was not one", metadata: ["error": "\(error)"])
      return
    }
    do {
      let payload = try await TimeLimit.within(Self.patience) { [registry] in
        try await registry.redeemForKeyring(request.token, uid: request.uid)
      }
      guard let payload else { throw RPCError(.unavailable, "the certificate was not signed in time") }
      try payload.packet.withBytes { bytes in
        let sent = cl_send_fds(connection.raw, bytes.baseAddress, bytes.count, nil, 0)
        guard sent == bytes.count else {
          throw SyscallError(call: "sendmsg", object: "an identity", errno: sent < 0 ? Int32(-sent) : EMSGSIZE)
        }
      }
    } catch {
      let problem = error as? RPCError ?? RPCError(.internalError, "\(error)")
      logger.notice("an identity was not handed over", metadata: ["why": "\(problem)"])
      let errno = problem.code == .permissionDenied ? EKEYREJECTED : problem.code == .unavailable ? EAGAIN : EIO
      // One that has gone needs no answer.
      try? UnixSocket.send(
        RedeemRequest.header(errno: errno, seconds: 0) + Array(problem.message.utf8.prefix(240)), to: connection.raw)
    }
  }

  private static func receive(_ connection: SharedDescriptor) throws -> RedeemRequest {
    let peer = try PeerCredentials(of: connection.raw)
    guard peer.uid == 0 else { throw RPCError(.permissionDenied, "uid \(peer.uid) is not root") }
    var poll = PollSet()
    poll.add(connection.raw)
    guard try poll.wait(milliseconds: 5000) else {
      throw SyscallError(call: "recvmsg", object: "a request for a key", errno: ETIMEDOUT)
    }
    let message = try UnixSocket.receive(from: connection.raw, capacity: 4096, descriptors: 1)
    return try RedeemRequest(decoding: message.bytes)
  }
}
