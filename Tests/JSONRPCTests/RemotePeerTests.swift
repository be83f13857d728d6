// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import JSONRPC
import Testing

/// What the gateway may say of those for whom it speaks.
@Suite struct RemotePeerTests {
  private static func peer(_ roles: [String]) -> RemotePeer {
    RemotePeer(agent: "a", subsystem: "tool", node: "n.example", roles: roles)
  }

  private static func code(_ body: () throws -> Void) -> RPCError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? RPCError)?.code
    }
  }

  @Test(
    arguments: [
      (["admin"], [.admin]), (["operator", "observer"], [.operatorRole, .observer]), ([], []), (["root", ""], []),
      (["container-controller", "monitor", "gateway", "component"], []), (["admin", "gateway"], [.admin]),
    ] as [([String], Set<Role>)])
  func `roles of this machine's own parts count for nothing from elsewhere`(roles: [String], usable: Set<Role>) {
    #expect(Self.peer(roles).usableRoles == usable)
  }

  @Test func `a connection is somebody else's from the first request on, and stays so`() async throws {
    let server = try await TestServer(policy: RolePolicy(adminUIDs: [], gatewayUID: getuid(), others: nil))
    try await Blocking.run { () throws -> Void in
      let client = try server.client()
      #expect(Self.code { _ = try client.call(TestServer.double, .init(value: 1)) } == .permissionDenied)
      // That was a request: it is too late to be somebody else on this connection.
      #expect(Self.code { _ = try client.call(RPCRouter.assume, Self.peer(["admin"])) } == .permissionDenied)
      let observer = try server.client()
      _ = try observer.call(RPCRouter.assume, Self.peer(["observer"]))
      #expect(try observer.call(TestServer.double, .init(value: 4)).value == 8)
      #expect(Self.code { _ = try observer.call(TestServer.change) } == .permissionDenied)
      #expect(Self.code { _ = try observer.call(RPCRouter.assume, Self.peer(["admin"])) } == .permissionDenied)
      let nobody = try server.client()
      #expect(Self.code { _ = try nobody.call(RPCRouter.assume, Self.peer(["monitor"])) } == .permissionDenied)
    }
  }

  @Test func `nobody but the gateway speaks for others`() async throws {
    let server = try await TestServer(policy: RolePolicy(adminUIDs: [getuid()], gatewayUID: 4_000_000_000))
    try await Blocking.run { () throws -> Void in
      #expect(Self.code { _ = try server.client().call(RPCRouter.assume, Self.peer(["admin"])) } == .permissionDenied)
    }
  }
}
