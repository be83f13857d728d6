// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import Probing

/// The HTTP service by which a cloud tells its machines about themselves, on a link-local address.
struct MetadataService: Sendable {
  /// Without a path.
  let endpoint: String
  let requester: HTTPRequester

  /// Where all of these clouds have it.
  static let usual = "http://169.254.169.254"
  private static let timeout: Int64 = 2000

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// - Returns: `nil` for 404, by which these services say that there is none of it.
  func ask(_ path: String, method: String = "GET", headers: [String: String] = [:]) async throws -> HTTPAnswer? {
    var request = HTTPProbe(url: endpoint + path)
    request.method = method
    request.headers = headers
    let answer: HTTPAnswer
    do {
      answer = try await requester.send(request, body: [], timeout: Self.timeout)
    } catch {
      throw Failure(description: "\(endpoint): \(NetworkProbe.words(error, timeout: Self.timeout))")
    }
    if answer.status == 404 { return nil }
    guard answer.status == 200 else {
      throw Failure(description: "\(endpoint)\(path) answered with status \(answer.status)")
    }
    return answer
  }

  func json(_ path: String, headers: [String: String] = [:]) async throws -> JSONValue? {
    guard let answer = try await ask(path, headers: headers) else { return nil }
    do {
      return try JSONCoding.decode(JSONValue.self, from: answer.body)
    } catch {
      throw Failure(description: "\(endpoint)\(path) is no JSON")
    }
  }
}

extension JSONValue {
  /// A member's text, cut to what a label may be.
  func text(_ name: String) -> String { String((self[name]?.stringValue ?? "").prefix(200)) }

  /// The last part of a path such as `projects/1/zones/a`.
  func lastPart(_ name: String) -> String { text(name).split(separator: "/").last.map { String($0) } ?? "" }
}
