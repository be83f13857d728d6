// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The requests of one batch (JSON-RPC 2.0, section 6).
enum RPCBatch {
  /// Runs the requests of a batch side by side, a few at a time, and answers in their order.
  static func run(_ elements: [[UInt8]], server: RPCServer, peer: Peer) async -> [[UInt8]] {
    await withTaskGroup(of: (Int, [UInt8]?).self) { group in
      var answers = [[UInt8]?](repeating: nil, count: elements.count)
      for (index, element) in elements.enumerated() {
        if index >= 16, let (done, answer) = await group.next() { answers[done] = answer }
        group.addTask { (index, await runOne(element, server: server, peer: peer)) }
      }
      for await (index, answer) in group { answers[index] = answer }
      return answers.compactMap { $0 }
    }
  }

  private static func runOne(_ element: [UInt8], server: RPCServer, peer: Peer) async -> [UInt8]? {
    let request: RequestEnvelope
    do throws(RequestEnvelope.Invalid) {
      request = try RequestEnvelope(element)
    } catch {
      return RequestEnvelope.answer(id: error.id, error: RPCError(.invalidRequest, error.reason))
    }
    let result: Result<RPCServer.Outcome, RPCError>
    if request.method == RPCRouter.subscribe.name || request.method == RPCRouter.unsubscribe.name {
      result = .failure(RPCError(.invalidRequest, "\(request.method) does not go into a batch"))
    } else if let deadline = request.deadline {
      result = await within(milliseconds: deadline, request.method) { await server.dispatch(request, peer: peer) }
    } else {
      result = await server.dispatch(request, peer: peer)
    }
    guard let id = request.id else { return nil }
    switch result {
    case .success(.answer(let bytes)): return RequestEnvelope.answer(id: id, result: bytes)
    case .success(.stream):
      return RequestEnvelope.answer(
        id: id,
        error: RPCError(.invalidRequest, "\(request.method) switches the connection and does not go into a batch"))
    case .failure(let error): return RequestEnvelope.answer(id: id, error: error)
    }
  }

  private static func within(
    milliseconds: Int64, _ method: String, _ body: @escaping @Sendable () async -> Result<RPCServer.Outcome, RPCError>
  ) async -> Result<RPCServer.Outcome, RPCError> {
    await withTaskGroup(of: Result<RPCServer.Outcome, RPCError>.self) { group in
      group.addTask { await body() }
      group.addTask {
        try? await Task.sleep(for: .milliseconds(milliseconds))
        return .failure(RPCError(.deadlineExceeded, "\(method) was not done within \(milliseconds) ms"))
      }
      let first = await group.next()
      group.cancelAll()
      return first ?? .failure(RPCError(.internalError, "no result"))
    }
  }
}
