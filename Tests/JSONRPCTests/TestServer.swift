// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import JSONRPC
import LinuxKernel
import Logging

/// A server with a few methods, on a socket that goes with it.
final class TestServer: Sendable {
  struct Number: Codable, Sendable { var value: Int64 }
  struct Pause: Codable, Sendable { var milliseconds: Int64 }

  static let double = Method<Number, Number>("double", role: .observer, "Doubles.")
  static let sleep = Method<Pause, Empty>("sleep", role: .observer, "Sleeps.")
  static let secret = Method<Empty, Empty>("secret", role: .containerController, "Not for everybody.")
  static let echo = Method<Empty, Empty>("echo", kind: .stream, role: .observer, "Sends frames back.")
  static let count = Method<Number, Number>("count", kind: .topic, role: .observer, "Counts up.")
  static let flood = Method<Number, Number>("flood", kind: .topic, role: .observer, "Counts up without waiting.")

  let path: String
  private let server: RPCServer

  static let change = Method<Empty, Empty>("change", role: .operatorRole, "For some.")

  init(limits: RPCLimits = RPCLimits(), policy: RolePolicy = RolePolicy()) async throws {
    var template = Array("/tmp/nodeagent-rpc-XXXXXX".utf8CString)
    path = "\(mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent")/s.sock"
    var router = RPCRouter(title: "test", summary: "For tests.", version: "1")
    router.on(Self.double) { _, params in Number(value: params.value * 2) }
    router.on(Self.sleep) { _, params in
      try await Task.sleep(for: .milliseconds(params.milliseconds))
      return Empty()
    }
    router.on(Self.secret) { _, _ in Empty() }
    router.on(Self.change) { _, _ in Empty() }
    router.onStream(Self.echo) { _, _ in
      (
        Empty(),
        { socket in
          while let frame = try? socket.read() { try? socket.write(frame) }
        }
      )
    }
    router.onTopic(Self.count) { _, params, sink in
      for value in 0..<params.value { try await sink.send(Number(value: value)) }
    }
    router.onTopic(Self.flood) { _, params, sink in
      for value in 0..<params.value { sink.offer(Number(value: value)) }
      // A topic that ended would end the subscription before the loss is told.
      try await Task.sleep(for: .seconds(60))
    }
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    server = try RPCServer(router: router, policy: policy, limits: limits, logger: logger)
    try await server.start(try UnixSocket.listen(path, mode: 0o600))
  }

  deinit { try? FileSystem.removeTree(String(path.dropLast(7))) }

  func client() throws -> RPCClient { try RPCClient(path: path) }

  /// Sends lines as they are and returns so many answers.
  func exchange(_ text: String, answers: Int) throws -> [JSONValue] {
    let client = try client()
    try client.send(Array(text.utf8))
    return try (0..<answers).map { _ in
      guard let line = try client.receiveLine() else {
        throw RPCError(.unavailable, "the server closed the connection")
      }
      return try JSONCoding.decode(JSONValue.self, from: line)
    }
  }
}
