// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The answer to a request, its result still as bytes.
public struct ResponseEnvelope: Sendable {
  /// The id as it stands in the line; `nil` for a notification.
  public var id: [UInt8]?
  public var result: Result<[UInt8], RPCError>

  /// - Throws: `parse error` or `invalid request` for what is no answer.
  public init(_ text: [UInt8]) throws(RPCError) {
    let outline: JSONScanner.Outline
    do {
      outline = try JSONScanner.outline(of: text)
    } catch {
      throw RPCError(.parseError, "the answer is not JSON: \(error)")
    }
    guard case .object(let members) = outline else { throw RPCError(.invalidRequest, "the answer is no object") }
    var parts: [String: Range<Int>] = [:]
    for (name, range) in members { parts[name] = range }
    id = parts["id"].map { Array(text[$0]) }
    if let range = parts["error"] {
      guard let error = try? JSONCoding.decode(RPCError.self, from: text[range]) else {
        throw RPCError(.invalidRequest, "the answer's error is none")
      }
      result = .failure(error)
    } else if let range = parts["result"] {
      result = .success(Array(text[range]))
    } else {
      throw RPCError(.invalidRequest, "the answer has neither result nor error")
    }
  }
}
