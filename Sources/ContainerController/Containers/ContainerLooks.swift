// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import HealthChecks
import JSONRPC
import LaunchPlan
import LinuxKernel

/// What health checks need from inside a running container.
extension Container {
  /// What PID 1 answered: a number, or a socket.
  struct LookAnswer: Sendable {
    var number: Int64 = 0
    var socket: SharedDescriptor?
  }

  /// Has PID 1 begin a connection in the container's network namespace and root directory; it may still be on its way.
  func connect(_ address: ContainerAddress) async throws -> SharedDescriptor {
    let answer = try await ask { .connect(id: $0, address.text) }
    guard let socket = answer.socket else { throw RPCError(.internalError, "PID 1 answered without a socket") }
    return socket
  }

  /// When a file of the container was changed: milliseconds of the wall clock.
  func modified(_ path: String) async throws -> Int64 { try await ask { .modified(id: $0, path) }.number }

  func ask(_ request: (UInt64) -> HarnessRequest) async throws -> LookAnswer {
    guard let process else { throw RPCError(.wrongState, "container \(name) does not run") }
    let id = nextExec
    nextExec += 1
    do {
      try process.connection.send(request(id))
    } catch {
      throw RPCError(.unavailable, "PID 1 of container \(name) does not answer: \(error)")
    }
    return try await withCheckedThrowingContinuation { looks[id] = $0 }
  }

  func answered(_ id: UInt64, _ result: Result<LookAnswer, RPCError>) {
    looks.removeValue(forKey: id)?.resume(with: result.mapError { $0 as any Error })
  }

  /// The container has ended: nobody answers any more.
  func abandonLooks() {
    let waiting = looks
    looks = [:]
    for look in waiting.values { look.resume(throwing: RPCError(.wrongState, "container \(name) has ended")) }
  }

  /// What its checks say together decides whether it counts as available.
  func take(_ health: HealthState?) {
    if life.state == .available, health == .unhealthy {
      try? transition(.notReady, correlation: nil)
      save()
    } else if life.state == .unavailable, health != .unhealthy {
      try? transition(.ready, correlation: nil)
      save()
    }
  }

  /// Starts it again because it does not do its work.
  func heal() async throws {
    try await mailbox.perform {
      guard await self.life.state.isRunning else { return }
      _ = try await self.doStop(timeout: nil, correlation: nil)
      await self.scheduleRestart(after: 0)
    }
  }
}
