// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import NIOCore
import Probing

/// Sends events as JSON by POST.
struct HTTPDelivery: EventDelivery {
  let mostEvents = 100
  private let request: HTTPProbe
  private let requester: HTTPRequester
  private let encode: @Sendable ([AgentEvent]) throws -> [UInt8]

  private static let timeout: Int64 = 10_000

  init(
    _ request: HTTPProbe, group: any EventLoopGroup, encode: @escaping @Sendable ([AgentEvent]) throws -> [UInt8]
  ) {
    var request = request
    if !request.headers.keys.contains(where: { $0.lowercased() == "content-type" }) {
      request.headers["Content-Type"] = "application/json"
    }
    self.request = request
    requester = HTTPRequester(group: group)
    self.encode = encode
  }

  func deliver(_ events: [AgentEvent]) async throws {
    let answer: HTTPAnswer
    do {
      answer = try await requester.send(request, body: try encode(events), timeout: Self.timeout)
    } catch {
      throw DeliveryFailure("\(request.server): \(NetworkProbe.words(error, timeout: Self.timeout))")
    }
    guard (200..<300).contains(answer.status) else {
      let text = String(decoding: answer.body.prefix(200), as: UTF8.self).filter { !$0.isNewline }
      throw DeliveryFailure("\(request.server) answered with status \(answer.status)\(text.isEmpty ? "" : ": \(text)")")
    }
  }
}
