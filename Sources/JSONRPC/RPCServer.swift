// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Limits of a server; each bounds what a hostile peer can cost.
public struct RPCLimits: Sendable {
  /// The longest request line in bytes; a longer one is refused without being kept.
  public var line = 16 << 20
  /// Bytes of unfinished lines over all connections; a line that would exceed it is refused like one too long.
  public var unfinished = 64 << 20
  /// Requests of one connection that are being worked on; reading stops until one is done.
  public var inFlight = 64
  /// Requests in one batch.
  public var batch = 1000
  public var subscriptions = 64
  public var connections = 16384

  public init() {}
}

/// JSON-RPC 2.0 over a unix socket, one JSON value a line.
public final class RPCServer: Sendable {
  let router: RPCRouter
  let policy: RolePolicy
  let limits: RPCLimits
  let logger: Logger
  let unfinishedBytes = Atomic<Int>(0)
  let connections = Atomic<Int>(0)
  private let nextCorrelation = Atomic<UInt64>(1)
  private let document: [UInt8]
  private let channel: Mutex<(any Channel)?> = Mutex(nil)
  private let group: any EventLoopGroup

  public init(
    router: RPCRouter, policy: RolePolicy, limits: RPCLimits = RPCLimits(), logger: Logger,
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) throws {
    self.router = router
    self.policy = policy
    self.limits = limits
    self.logger = logger
    self.group = group
    document = try JSONCoding.encode(router.openRPC)
  }

  /// Serves a listening socket, which the server takes over, until ``stop()``.
  public func start(_ listening: consuming Descriptor) async throws {
    let number = listening.take()
    let bootstrap = ServerBootstrap(group: group)
      .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
      .childChannelOption(
        .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 256, initial: 512, maximum: 65536)
      )
      .childChannelOption(.maxMessagesPerRead, value: 4)
      // `echo '{…}' | socat - UNIX-CONNECT:…` ends its side first and still wants the answer.
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture {
          let sync = channel.pipeline.syncOperations
          let credentials = try sync.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            try PeerCredentials(of: $0)
          }
          guard let credentials else { throw ChannelError.operationUnsupported }
          guard self.connections.load(ordering: .relaxed) < self.limits.connections else {
            throw ChannelError.operationUnsupported
          }
          try sync.addHandler(RPCConnection(server: self, peer: self.policy.peer(credentials)))
        }
      }
    let bound = try await bootstrap.withBoundSocket(number).get()
    channel.withLock { $0 = bound }
  }

  /// Stops accepting; connections end with their peers or with the process.
  public func stop() async {
    let bound = channel.withLock { $0 }
    try? await bound?.close()
  }

  func newCorrelationID() -> String {
    String(nextCorrelation.add(1, ordering: .relaxed).oldValue, radix: 36)
  }

  // MARK: - Dispatch

  enum Outcome: Sendable {
    case answer([UInt8])
    case stream([UInt8], StreamBody)
  }

  /// Finds the method, checks the role and the parameters, and runs the handler.
  func dispatch(_ request: RequestEnvelope, peer: Peer) async -> Result<Outcome, RPCError> {
    do {
      let entry = try find(request.method, peer: peer)
      try RPCRouter.check(request.params, entry)
      let context = RPCContext(peer: peer, correlationID: newCorrelationID())
      if request.method == RPCRouter.discover.name { return .success(.answer(document)) }
      switch entry.handler {
      case .call(let body): return .success(.answer(try await body(context, request.params)))
      case .stream(let body):
        let (result, stream) = try await body(context, request.params)
        return .success(.stream(result, stream))
      case .topic:
        throw RPCError(
          .methodNotFound, "\(request.method) is a topic: call subscribe with {\"topic\": \"\(request.method)\"}")
      }
    } catch {
      return .failure(Self.wrap(error, logger: logger, method: request.method))
    }
  }

  func find(_ method: String, peer: Peer) throws -> RPCRouter.Entry {
    guard let entry = router.entries[method] else {
      throw RPCError(
        .methodNotFound, "there is no method \"\(method.prefix(128))\" here; rpc.discover lists them")
    }
    guard peer.has(entry.description.role) else {
      let role = entry.description.role.rawValue
      logger.notice(
        "permission denied",
        metadata: [
          "method": "\(method)", "role": "\(role)", "peer": "\(peer.name)", "pid": "\(peer.credentials.pid)",
        ])
      throw RPCError(
        .permissionDenied,
        "\(method) needs the role \(role), which \(peer.name) does not have",
        data: ["role": .string(role), "method": .string(method)])
    }
    return entry
  }

  static func wrap(_ error: any Error, logger: Logger, method: String) -> RPCError {
    switch error {
    case let error as RPCError: return error
    case let error as SyscallError:
      let full = error.errno == ENOSPC || error.errno == EDQUOT
      return RPCError(
        full ? .noSpace : .kernelRefused, error.description,
        data: ["call": .string(error.call), "object": .string(error.object), "errno": .integer(Int64(error.errno))])
    case is CancellationError: return RPCError(.cancelled, "\(method) was given up")
    default:
      logger.error("request failed", metadata: ["method": "\(method)", "error": "\(error)"])
      return RPCError(.internalError, "\(method) failed: \(error)")
    }
  }
}
