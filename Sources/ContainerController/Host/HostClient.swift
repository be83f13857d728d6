// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Synchronization

/// Asks the node controller for what needs privilege, over a few channels, so that containers start side by side.
///
/// A channel that broke because the node controller was restarted is opened anew before the call is sent; a call whose
/// answer got lost is `unavailable`, and never sent twice.
final class HostClient: Sendable {
  private struct State {
    var idle: [SharedDescriptor] = []
    var nextID: Int64 = 1
  }

  private let instance: Instance
  private let state = Mutex(State())

  init(instance: Instance) { self.instance = instance }

  @discardableResult
  func call<Params, Result: Sendable>(
    _ method: Method<Params, Result>, _ params: Params, passing descriptor: Int32? = nil
  ) async throws -> Result {
    try await Blocking.run { try self.exchange(method, params, passing: descriptor).result }
  }

  /// A call whose answer brings descriptors, at least one.
  func callForDescriptors<Params, Result: Sendable>(
    _ method: Method<Params, Result>, _ params: Params, passing descriptor: Int32? = nil
  ) async throws -> (result: Result, descriptors: [SharedDescriptor]) {
    try await Blocking.run { try self.callWaiting(method, params, passing: descriptor) }
  }

  /// The same on the calling thread, which does `meanwhile` while the node controller works.
  func callWaiting<Params, Result: Sendable>(
    _ method: Method<Params, Result>, _ params: Params, passing descriptor: Int32? = nil,
    meanwhile: () throws -> Void = {}
  ) throws -> (result: Result, descriptors: [SharedDescriptor]) {
    let answer = try exchange(method, params, passing: descriptor, meanwhile: meanwhile)
    guard !answer.descriptors.isEmpty else {
      throw RPCError(.internalError, "\(method.name) answered without a descriptor")
    }
    return answer
  }

  private func exchange<Params, Result>(
    _ method: Method<Params, Result>, _ params: Params, passing descriptor: Int32?, meanwhile: () throws -> Void = {}
  ) throws -> (result: Result, descriptors: [SharedDescriptor]) {
    let socket = try take()
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    let channel = HostChannel(socket)
    let request = RequestEnvelope.request(id: id, method: method.name, params: try JSONCoding.encode(params))
    let message: HostMessage?
    var problem: (any Error)?
    do {
      try channel.send(request, borrowing: descriptor)
      do { try meanwhile() } catch { problem = error }
      // Also when that failed: an answer that stayed would be taken for the next call's.
      message = try channel.receive()
    } catch let error as SyscallError {
      throw RPCError(.unavailable, "the node controller did not answer \(method.name): \(error)")
    }
    guard let message else {
      throw RPCError(.unavailable, "the node controller ended before it answered \(method.name)")
    }
    state.withLock { $0.idle.append(socket) }
    if let problem { throw problem }
    let result = try JSONCoding.decode(Result.self, from: try ResponseEnvelope(message.line).result.get())
    return (result, message.descriptors)
  }

  private func take() throws -> SharedDescriptor {
    while let socket = state.withLock({ $0.idle.popLast() }) {
      // Nothing is to be read from an idle channel but its end.
      var poll = PollSet()
      poll.add(socket.raw)
      if try !poll.wait(milliseconds: 0) { return socket }
    }
    return try connect()
  }

  /// Waits up to ten seconds for a node controller that is being restarted.
  private func connect() throws -> SharedDescriptor {
    let deadline = Clock.monotonicNanoseconds() + 10_000_000_000
    while true {
      do {
        let client = try RPCClient(path: instance.nodeSocket)
        let (_, framed) = try client.open(HostMethods.open, Empty())
        return SharedDescriptor(try Descriptor.copy(of: framed.descriptor))
      } catch let error as RPCError {
        guard error.code == .unavailable, Clock.monotonicNanoseconds() < deadline else { throw error }
      } catch let error as SyscallError {
        // One that ends still has connections in its queue, which end with it.
        guard Clock.monotonicNanoseconds() < deadline else {
          throw RPCError(.unavailable, "the node controller is not there: \(error)")
        }
      }
      usleep(20_000)
    }
  }
}
