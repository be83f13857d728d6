// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel
import Logging

/// Serves one host channel of the container controller.
struct HostSession: Sendable {
  let broker: HostBroker
  let peer: Peer
  let logger: Logger

  /// Answers calls until the peer goes, on the calling thread.
  func serve(_ socket: SharedDescriptor) {
    let channel = HostChannel(socket)
    do {
      while let message = try channel.receive() {
        let request = try RequestEnvelope(message.line)
        guard let id = request.id else { throw RPCError(.invalidRequest, "a host call has an id") }
        var passed: [SharedDescriptor] = []
        let response: [UInt8]
        do {
          response = RequestEnvelope.answer(
            id: id, result: try answer(request, message.descriptors, &passed))
        } catch {
          let problem = Self.describe(error)
          logger.notice(
            "host call failed", metadata: ["method": "\(request.method)", "error": "\(problem.message)"])
          response = RequestEnvelope.answer(id: id, error: problem)
        }
        try channel.send(response, descriptors: passed)
      }
    } catch {
      logger.notice("a host channel ended", metadata: ["error": "\(error)"])
    }
  }

  private static func describe(_ error: any Error) -> RPCError {
    switch error {
    case let error as RPCError: error
    case let error as SyscallError: RPCError(error.errno == 28 ? .noSpace : .kernelRefused, error.description)
    default: RPCError(.internalError, "\(error)")
    }
  }

  private func answer(
    _ request: RequestEnvelope, _ descriptors: [SharedDescriptor], _ passed: inout [SharedDescriptor]
  ) throws -> [UInt8] {
    func params<Params: Codable & Sendable, Result>(_ method: Method<Params, Result>) throws -> Params {
      do {
        return try JSONCoding.decode(Params.self, from: request.params)
      } catch {
        throw RPCError(.invalidParams, "the parameters of \(method.name) do not fit")
      }
    }
    func child() throws -> CallersChild {
      guard descriptors.count == 1 else { throw RPCError(.invalidParams, "\(request.method) comes with one pidfd") }
      return try CallersChild(descriptors[0], of: peer)
    }
    switch request.method {
    case HostMethods.create.name: return try JSONCoding.encode(try broker.create(try params(HostMethods.create).name))
    case HostMethods.launch.name:
      let (launched, descriptors) = try broker.launch(try params(HostMethods.launch), child: try child())
      passed = descriptors
      return try JSONCoding.encode(launched)
    case HostMethods.release.name: try broker.release(try params(HostMethods.release).name)
    case HostMethods.update.name: try broker.update(try params(HostMethods.update))
    case HostMethods.remove.name: try broker.remove(try params(HostMethods.remove).name)
    case HostMethods.templateBegin.name:
      passed = [
        SharedDescriptor(try broker.beginTemplate(try params(HostMethods.templateBegin).digest, child: try child()))
      ]
    case HostMethods.templateCommit.name: try broker.commitTemplate(try params(HostMethods.templateCommit).digest)
    case HostMethods.templateRemove.name: try broker.removeTemplate(try params(HostMethods.templateRemove).digest)
    case HostMethods.inventory.name: return try JSONCoding.encode(try broker.inventory())
    default: throw RPCError(.methodNotFound, "there is no host call \"\(request.method.prefix(64))\"")
    }
    return Array("{}".utf8)
  }
}
