// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Logging

/// The conversation with the monitor, which reads what containers' HTTP servers answer.
actor MonitorChannel {
  /// Nobody could look: that says nothing about the container.
  struct Away: Error {}

  private let instance: Instance
  private let logger: Logger
  private var socket: SharedDescriptor?
  private var nextID: UInt64 = 1
  private var waiting: [UInt64: CheckedContinuation<ProbeMethods.Answer, any Error>] = [:]

  /// Seconds that a monitor may take nothing.
  private static let patience = 5

  init(instance: Instance, logger: Logger) {
    self.instance = instance
    self.logger = logger
  }

  /// - Throws: ``Away`` when the monitor cannot be asked.
  func look(_ check: HealthCheck, over connection: SharedDescriptor) async throws -> (ok: Bool, output: String) {
    let socket = try await connected()
    let id = nextID
    nextID += 1
    let line = try JSONCoding.encode(ProbeMethods.Look(id: id, check: check))
    do {
      try HostChannel(socket).send(line, descriptors: [connection])
    } catch {
      lost(socket)
      throw Away()
    }
    let answer = try await withCheckedThrowingContinuation { waiting[id] = $0 }
    return (answer.ok, answer.output)
  }

  private func connected() async throws -> SharedDescriptor {
    if let socket { return socket }
    let path = instance.metricsSocket
    let opened: SharedDescriptor
    do {
      opened = try await Blocking.run {
        let (_, framed) = try RPCClient(path: path).open(ProbeMethods.open, Empty())
        let copy = SharedDescriptor(try Descriptor.copy(of: framed.descriptor))
        try UnixSocket.limitSending(copy.raw, seconds: Self.patience)
        return copy
      }
    } catch {
      logger.debug("the monitor is away", metadata: ["error": "\(error)"])
      throw Away()
    }
    // Somebody else may have come first meanwhile.
    if let socket { return socket }
    socket = opened
    do {
      try NamedThread.start("monitor-answers") { [weak self] in
        let channel = HostChannel(opened)
        while let message = try? channel.receive() {
          guard let answer = try? JSONCoding.decode(ProbeMethods.Answer.self, from: message.line) else { break }
          Task { [weak self] in await self?.answered(answer) }
        }
        Task { [weak self] in await self?.lost(opened) }
      }
    } catch {
      socket = nil
      throw Away()
    }
    return opened
  }

  private func answered(_ answer: ProbeMethods.Answer) {
    waiting.removeValue(forKey: answer.id)?.resume(returning: answer)
  }

  private func lost(_ socket: SharedDescriptor) {
    guard self.socket === socket else { return }
    shutdown(socket.raw, Int32(SHUT_RDWR))
    self.socket = nil
    let lost = waiting
    waiting = [:]
    for continuation in lost.values { continuation.resume(throwing: Away()) }
  }
}
